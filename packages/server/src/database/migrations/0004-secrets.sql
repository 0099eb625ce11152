-- Secrets. Values are sealed with a key that is a file of the data directory, not of the database.

CREATE TABLE secrets (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  environment_id TEXT NOT NULL REFERENCES environments (id),
  -- One of the two: a name that people give, or the app with which it goes.
  name TEXT,
  app_id TEXT,
  -- JSON: sorted names of the variables. Always read as a whole.
  keys TEXT NOT NULL,
  -- JSON of names and values, sealed with the id (seal.ts).
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER
) STRICT;
CREATE UNIQUE INDEX secrets_by_name ON secrets (environment_id, name) WHERE name IS NOT NULL;
CREATE INDEX secrets_by_app ON secrets (app_id) WHERE app_id IS NOT NULL;
