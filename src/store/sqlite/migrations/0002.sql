-- What schedules have decided. A scheduled time of a DAG has one run.
CREATE UNIQUE INDEX run_of_tick ON run (dag, logical_time) WHERE trigger_kind = 'schedule';

CREATE TABLE schedule (
  dag    TEXT NOT NULL PRIMARY KEY,
  paused INTEGER NOT NULL DEFAULT 0,
  memory TEXT NOT NULL DEFAULT '{}' -- JSON
) STRICT;

-- Ticks that didn't run: from the first to the last, that many.
CREATE TABLE skipped (
  dag    TEXT NOT NULL,
  first  INTEGER NOT NULL,
  last   INTEGER NOT NULL,
  count  INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (dag, first)
) STRICT, WITHOUT ROWID;
CREATE INDEX skipped_last ON skipped (last);
