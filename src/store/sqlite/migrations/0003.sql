-- What is to be told to people. Written with what it is about, gone when it has been told.
CREATE TABLE notice (
  run      TEXT NOT NULL REFERENCES run (id),
  occasion TEXT NOT NULL,
  at       INTEGER NOT NULL,
  dag      TEXT NOT NULL,
  owner    TEXT NOT NULL,
  tries    INTEGER NOT NULL DEFAULT 0,
  held     INTEGER, -- messages held back before it; NULL until it is counted itself
  detail   TEXT NOT NULL, -- JSON
  PRIMARY KEY (run, occasion, at)
) STRICT, WITHOUT ROWID;

-- DAGs of which a run failed, and none that was begun then or later has succeeded since.
CREATE TABLE failing (
  dag      TEXT NOT NULL PRIMARY KEY,
  run      TEXT NOT NULL, -- the latest that failed
  since    INTEGER NOT NULL,
  failures INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How often a DAG was spoken of since a moment.
CREATE TABLE notice_window (
  dag   TEXT NOT NULL PRIMARY KEY,
  since INTEGER NOT NULL,
  told  INTEGER NOT NULL,
  held  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
