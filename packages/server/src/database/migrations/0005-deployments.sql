-- Deployments: definitions with ids of their own, classes, variants of functions, numbered versions of apps.

ALTER TABLE apps ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE apps ADD COLUMN deployed_at INTEGER;
ALTER TABLE apps ADD COLUMN deployed_by TEXT NOT NULL DEFAULT '';
-- A name leads to one app.
CREATE UNIQUE INDEX apps_by_deployed_name ON apps (environment_id, name) WHERE state = 'deployed';

CREATE TABLE definitions (
  id TEXT PRIMARY KEY,
  function_id TEXT NOT NULL REFERENCES functions (id),
  -- The wire message.
  definition BLOB NOT NULL,
  -- Of its canonical bytes: an equal definition keeps its id. NULL for one that equals no other.
  sha256 BLOB,
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX definitions_by_content ON definitions (function_id, sha256);

INSERT INTO definitions (id, function_id, definition, created_at)
  SELECT 'de-' || substr(id, 4), id, definition, created_at FROM functions WHERE definition IS NOT NULL;
-- The current one. NULL while only the id is reserved.
ALTER TABLE functions ADD COLUMN definition_id TEXT;
UPDATE functions SET definition_id = 'de-' || substr(id, 4) WHERE definition IS NOT NULL;
ALTER TABLE functions DROP COLUMN definition;
-- The one that came last. Publishing makes it current.
ALTER TABLE functions ADD COLUMN latest_definition_id TEXT;
UPDATE functions SET latest_definition_id = definition_id;
-- AutoscalerSettings over those of the definition, until the next publishing.
ALTER TABLE functions ADD COLUMN settings BLOB;

-- A function with other options or a constructor's arguments. It follows the definition of its base.
CREATE TABLE variants (
  id TEXT PRIMARY KEY,
  function_id TEXT NOT NULL REFERENCES functions (id),
  -- SHA-256 of arguments and options: equal requests have one variant.
  sha256 BLOB NOT NULL,
  params BLOB NOT NULL,
  -- The wire's FunctionOptions.
  options BLOB NOT NULL,
  -- As in functions.
  settings BLOB,
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX variants_by_content ON variants (function_id, sha256);

CREATE TABLE classes (
  id TEXT PRIMARY KEY,
  app_id TEXT NOT NULL REFERENCES apps (id),
  -- NULL until it is published.
  name TEXT,
  -- Part of the app's layout.
  published INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX classes_by_app ON classes (app_id);

CREATE TABLE app_versions (
  app_id TEXT NOT NULL REFERENCES apps (id),
  version INTEGER NOT NULL,
  -- Wire number of DeploymentType.
  kind INTEGER NOT NULL,
  deployed_at INTEGER NOT NULL,
  deployed_by TEXT NOT NULL,
  client_version TEXT NOT NULL,
  tag TEXT NOT NULL,
  -- The version that was brought back; 0 for none.
  rollback_version INTEGER NOT NULL,
  -- The wire's CommitInfo.
  commit_info BLOB,
  PRIMARY KEY (app_id, version)
) STRICT, WITHOUT ROWID;

-- The layout of a version: functions with the definitions they had, and classes, which have none.
CREATE TABLE version_objects (
  app_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  object_id TEXT NOT NULL,
  name TEXT NOT NULL,
  definition_id TEXT,
  PRIMARY KEY (app_id, version, object_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX version_objects_by_definition ON version_objects (definition_id) WHERE definition_id IS NOT NULL;
