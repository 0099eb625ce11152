-- The journal of calls. Times are milliseconds since the epoch. What runs where is not written: a container does not outlive the server.

-- A call that came with its one input (index 0) has that input and its output in its own row, the other calls in `inputs` and `outputs`:
-- most calls are of the first kind, and one row costs less to write than three.
CREATE TABLE calls (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  function_id TEXT NOT NULL,
  -- Wire numbers of FunctionCallType and FunctionCallInvocationType.
  kind INTEGER NOT NULL,
  invocation INTEGER NOT NULL,
  parent_input_id TEXT,
  -- What a repeated request is known by; set on the first of the calls of a request, whose numbers follow each other.
  request_key TEXT,
  created_at INTEGER NOT NULL,
  -- No input may be added any more.
  closed INTEGER NOT NULL DEFAULT 0,
  cancel_reason TEXT,
  -- Every input has its output, and none will be added.
  finished_at INTEGER,

  -- The input, as in `inputs`. No format: the call has none here.
  format INTEGER,
  args BLOB,
  args_blob_id TEXT,
  method TEXT,
  final INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  losses INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0,

  -- Its output, as in `outputs`. No status: there is none yet.
  status INTEGER,
  data BLOB,
  data_blob_id TEXT,
  output_format INTEGER,
  result BLOB,
  task_id TEXT,
  started_at REAL,
  ended_at REAL
) STRICT;
CREATE INDEX calls_open ON calls (seq) WHERE finished_at IS NULL;
CREATE INDEX calls_by_request ON calls (request_key) WHERE request_key IS NOT NULL;

CREATE TABLE inputs (
  call INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  format INTEGER NOT NULL,
  -- One of the two.
  args BLOB,
  args_blob_id TEXT,
  method TEXT,
  final INTEGER NOT NULL DEFAULT 0,
  -- Attempts that failed and count against the retry policy; containers lost under it.
  failures INTEGER NOT NULL DEFAULT 0,
  losses INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (call, idx)
) STRICT, WITHOUT ROWID;

-- One per input, never changed.
CREATE TABLE outputs (
  call INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  -- Orders the outputs of a call: so a client receives them.
  seq INTEGER NOT NULL,
  -- Wire number of GenericStatus.
  status INTEGER NOT NULL,
  -- One of the two, or none.
  data BLOB,
  data_blob_id TEXT,
  format INTEGER NOT NULL,
  -- The GenericResult without data, unless it is a plain success.
  result BLOB,
  task_id TEXT NOT NULL,
  -- Seconds since the epoch, as the container said.
  started_at REAL NOT NULL,
  ended_at REAL NOT NULL,
  PRIMARY KEY (call, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE generator_chunks (
  call INTEGER NOT NULL,
  -- From 1, without gaps.
  idx INTEGER NOT NULL,
  format INTEGER NOT NULL,
  data BLOB,
  data_blob_id TEXT,
  PRIMARY KEY (call, idx)
) STRICT;
