-- When functions of deployed apps are called by themselves. Times are milliseconds since the epoch.

CREATE TABLE schedules (
  function_id TEXT PRIMARY KEY,
  app_id TEXT NOT NULL,
  -- JSON (schedule.ts), always written in the same way: an equal text is an equal schedule.
  schedule TEXT NOT NULL,
  -- The deployment from which a period counts.
  since INTEGER NOT NULL,
  -- The next firing, or one that was due and may have been made: its call has this time in its request key.
  next_at INTEGER NOT NULL
) STRICT;
CREATE INDEX schedules_by_app ON schedules (app_id);
