-- The journal of calls. Times are milliseconds since the epoch. What runs where is not written: a container does not outlive the server.

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
  finished_at INTEGER
) STRICT;
CREATE INDEX calls_open ON calls (seq) WHERE finished_at IS NULL;
CREATE INDEX calls_by_end ON calls (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX calls_by_request ON calls (request_key) WHERE request_key IS NOT NULL;

CREATE TABLE inputs (
  seq INTEGER PRIMARY KEY,
  call INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  -- One of the two.
  args BLOB,
  args_blob_id TEXT,
  format INTEGER NOT NULL,
  method TEXT,
  final INTEGER NOT NULL DEFAULT 0,
  -- Attempts that failed and count against the retry policy; containers lost under it.
  failures INTEGER NOT NULL DEFAULT 0,
  losses INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX inputs_by_call ON inputs (call, idx);

-- One per input, never changed. Their order within a call is the order in which a client receives them.
CREATE TABLE outputs (
  seq INTEGER PRIMARY KEY,
  call INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  -- Wire number of GenericStatus.
  status INTEGER NOT NULL,
  -- One of the two, or none.
  data BLOB,
  data_blob_id TEXT,
  format INTEGER NOT NULL,
  -- The GenericResult without data, unless it is a plain success.
  result BLOB,
  task_id TEXT NOT NULL,
  started_at REAL NOT NULL,
  created_at REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX outputs_by_call ON outputs (call, idx);

CREATE TABLE generator_chunks (
  call INTEGER NOT NULL,
  -- From 1, without gaps.
  idx INTEGER NOT NULL,
  format INTEGER NOT NULL,
  data BLOB,
  data_blob_id TEXT,
  PRIMARY KEY (call, idx)
) STRICT;
