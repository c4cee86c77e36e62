-- Times are microseconds since the Unix epoch. States are words; what only one state has is in
-- `detail`, as JSON. `item` is -1 for a task's own task run. See docs/store.md.

CREATE TABLE version (
  hash  TEXT NOT NULL PRIMARY KEY,
  dag   TEXT NOT NULL,
  tasks TEXT NOT NULL, -- JSON array of names, by index
  files TEXT NOT NULL  -- JSON object: path -> text
) STRICT;

CREATE TABLE run (
  id             TEXT NOT NULL PRIMARY KEY,
  dag            TEXT NOT NULL,
  version        TEXT NOT NULL REFERENCES version (hash),
  state          TEXT NOT NULL,
  owner          TEXT NOT NULL,
  params         TEXT NOT NULL, -- JSON
  interval_start INTEGER NOT NULL,
  interval_end   INTEGER NOT NULL,
  logical_time   INTEGER NOT NULL,
  trigger_kind   TEXT NOT NULL,
  trigger_source TEXT, -- the run (`dag`) or the source (`event`)
  seed           INTEGER NOT NULL, -- the bits of a u64
  priority       INTEGER NOT NULL,
  only_tasks     TEXT, -- JSON array of names
  created        INTEGER NOT NULL,
  started        INTEGER,
  finished       INTEGER -- NULL exactly while the run has not ended
) STRICT;
CREATE INDEX run_of_dag ON run (dag, id);
CREATE INDEX run_in_state ON run (state, id);
CREATE INDEX run_of_dag_in_state ON run (dag, state, id);
CREATE INDEX run_unfinished ON run (owner, id, dag) WHERE finished IS NULL;

CREATE TABLE task_run (
  run        TEXT NOT NULL REFERENCES run (id),
  task       INTEGER NOT NULL,
  item       INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  attempts   INTEGER NOT NULL,
  spent      INTEGER NOT NULL,
  losses     INTEGER NOT NULL,
  fence      INTEGER NOT NULL,
  state      TEXT NOT NULL,
  detail     TEXT,
  started    INTEGER, -- of the first attempt of this generation
  PRIMARY KEY (run, task, item)
) STRICT, WITHOUT ROWID;

-- Whoever writes: an older attempt never replaces a newer one.
CREATE TRIGGER task_run_fence BEFORE UPDATE OF generation, fence ON task_run
WHEN (new.generation, new.fence) < (old.generation, old.fence)
BEGIN
  SELECT RAISE(ABORT, 'fenced');
END;

CREATE TABLE item (
  run        TEXT NOT NULL REFERENCES run (id),
  task       INTEGER NOT NULL,
  item       INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  value      TEXT NOT NULL, -- JSON
  PRIMARY KEY (run, task, item)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
  run        TEXT NOT NULL REFERENCES run (id),
  task       INTEGER NOT NULL,
  item       INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  number     INTEGER NOT NULL,
  started    INTEGER NOT NULL,
  finished   INTEGER NOT NULL,
  outcome    TEXT NOT NULL,
  detail     TEXT,
  outputs    TEXT NOT NULL, -- JSON
  dataset    TEXT, -- JSON
  metrics    TEXT, -- JSON
  PRIMARY KEY (run, task, item, generation, number)
) STRICT, WITHOUT ROWID;

-- A queue: what is in it is still to be taken.
CREATE TABLE command (
  number INTEGER PRIMARY KEY,
  run    TEXT NOT NULL REFERENCES run (id),
  kind   TEXT NOT NULL, -- JSON
  at     INTEGER NOT NULL,
  UNIQUE (run, at, kind)
) STRICT;

-- No row can be in it: inserting one refuses the transaction from within SQL.
CREATE TABLE refusal (
  reason TEXT NOT NULL CHECK (false)
) STRICT;
