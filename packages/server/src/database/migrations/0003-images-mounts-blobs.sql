-- Images, mounts and blobs. The bytes are files of the data directory; here is what they belong to.

-- Which workspace has which content. Content is stored once for all, but is seen only by those who have brought it:
-- knowing a hash gives no right to the bytes.
CREATE TABLE contents (
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  sha256 TEXT NOT NULL,
  size INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, sha256)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  -- What the creator has announced; an upload that differs is refused.
  expected_size INTEGER NOT NULL,
  expected_sha256 TEXT,
  -- NULL until the upload is complete.
  sha256 TEXT,
  md5 TEXT,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE mounts (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  -- SHA-256 over the sorted list of files: equal files are one mount.
  checksum TEXT NOT NULL,
  -- JSON: [[path, sha256, mode], …] sorted by path. Always read as a whole.
  files TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (workspace_id, checksum)
) STRICT;

CREATE TABLE images (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  recipe_key TEXT NOT NULL,
  -- Whether a request for this recipe gets this image. A forced build takes over when it succeeds.
  is_current INTEGER NOT NULL,
  -- JSON of all that a build needs, so that a build goes on after a restart.
  recipe TEXT NOT NULL,
  builder_version TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('building', 'ready', 'failed', 'cancelled')),
  -- JSON of the layers and the configuration, when ready.
  result TEXT,
  -- Why it failed, for people.
  failure TEXT,
  created_at INTEGER NOT NULL,
  finished_at INTEGER
) STRICT;
CREATE UNIQUE INDEX images_by_recipe ON images (workspace_id, recipe_key) WHERE is_current = 1;

CREATE TABLE image_logs (
  image_id TEXT NOT NULL REFERENCES images (id),
  -- Counts from 1 and goes on when a build is started again.
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  fd INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (image_id, seq)
) STRICT, WITHOUT ROWID;
