-- The journal of calls. Times are milliseconds since the epoch.

CREATE TABLE calls (
  -- Begins with the time, so that the key also orders by age.
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL,
  app_id TEXT NOT NULL,
  function_id TEXT NOT NULL,
  -- The wire's FunctionCallType and FunctionCallInvocationType.
  type INTEGER NOT NULL,
  invocation INTEGER NOT NULL,
  parent_input_id TEXT NOT NULL,
  -- Which caller made it, by its own key: a repeated request finds its call again.
  idempotency_key TEXT NOT NULL,
  position INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  cancelled INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX calls_by_app ON calls (app_id);

-- One row from the acknowledged input to its output: an insert and an update are all that a call costs.
CREATE TABLE inputs (
  call_id TEXT NOT NULL,
  idx INTEGER NOT NULL,
  -- The wire's FunctionInput; NULL once there is an output.
  input BLOB,
  failures INTEGER NOT NULL DEFAULT 0,
  losses INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0,
  -- Place among the outputs of the call, from 0; NULL while there is none.
  seq INTEGER,
  -- The wire's FunctionGetOutputsItem.
  output BLOB,
  PRIMARY KEY (call_id, idx)
) STRICT, WITHOUT ROWID;

-- What generators yielded.
CREATE TABLE generator_data (
  call_id TEXT NOT NULL,
  chunk_index INTEGER NOT NULL,
  -- The wire's DataChunk.
  chunk BLOB NOT NULL,
  PRIMARY KEY (call_id, chunk_index)
) STRICT, WITHOUT ROWID;
