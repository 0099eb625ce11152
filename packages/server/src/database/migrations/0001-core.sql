-- Identity, apps, functions and logs. Times are milliseconds since the epoch.

CREATE TABLE workspaces (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE environments (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  name TEXT NOT NULL,
  is_default INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  -- Deleted ones stay, so that what ran in them can still be read; their name is free again.
  deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX environments_by_name ON environments (workspace_id, name) WHERE deleted_at IS NULL;

CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  name TEXT NOT NULL,
  -- SHA-256 of the secret. A hash made for passwords would add nothing: the secret has 256 random bits.
  secret_sha256 BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER
) STRICT;

-- What the server needs to know about itself, e.g. keys that must survive a restart.
CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT;

CREATE TABLE apps (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  environment_id TEXT NOT NULL REFERENCES environments (id),
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  state TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  stopped_at INTEGER,
  stopped_by TEXT,
  stop_reason TEXT,
  tags TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX apps_by_environment ON apps (environment_id, created_at);
CREATE INDEX apps_live ON apps (state) WHERE state <> 'stopped';

CREATE TABLE functions (
  id TEXT PRIMARY KEY,
  app_id TEXT NOT NULL REFERENCES apps (id),
  name TEXT NOT NULL,
  -- The wire message. NULL while only the id is reserved.
  definition BLOB,
  -- Part of the app's layout.
  published INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX functions_by_name ON functions (app_id, name);

-- The answer that a create gave, by the key that its caller repeats when it tries again.
CREATE TABLE idempotency_keys (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  object_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE logs (
  -- Never reused: followers hold it as their cursor.
  entry_id INTEGER PRIMARY KEY AUTOINCREMENT,
  app_id TEXT NOT NULL,
  task_id TEXT NOT NULL DEFAULT '',
  function_id TEXT NOT NULL DEFAULT '',
  call_id TEXT NOT NULL DEFAULT '',
  input_id TEXT NOT NULL DEFAULT '',
  image_id TEXT NOT NULL DEFAULT '',
  fd INTEGER NOT NULL,
  at REAL NOT NULL,
  text TEXT NOT NULL
) STRICT;
CREATE INDEX logs_by_app ON logs (app_id, entry_id);
