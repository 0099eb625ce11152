-- Sandboxes, for those who ask about one later. What runs in them lives with the server. Times are milliseconds since the epoch.

CREATE TABLE sandboxes (
  id TEXT PRIMARY KEY,
  task_id TEXT NOT NULL UNIQUE,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  environment_id TEXT NOT NULL REFERENCES environments (id),
  app_id TEXT NOT NULL REFERENCES apps (id),
  name TEXT NOT NULL,
  -- JSON: name → value.
  tags TEXT NOT NULL DEFAULT '{}',
  image_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  -- The rest is set when it has ended.
  finished_at INTEGER,
  status INTEGER,
  exit_code INTEGER,
  exception TEXT
) STRICT;
CREATE INDEX sandboxes_by_name ON sandboxes (app_id, name, created_at) WHERE name <> '';
CREATE INDEX sandboxes_unfinished ON sandboxes (created_at) WHERE finished_at IS NULL;

-- Snapshots of sandboxes are images that may have an end.
ALTER TABLE images ADD COLUMN expires_at INTEGER;
CREATE INDEX images_expiring ON images (expires_at) WHERE expires_at IS NOT NULL;
