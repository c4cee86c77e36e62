-- Things outside that have started runs and are still there: each starts one, once.
CREATE TABLE thing (
  dag   TEXT NOT NULL,
  name  TEXT NOT NULL,
  stamp TEXT NOT NULL, -- with another one it is new
  PRIMARY KEY (dag, name)
) STRICT, WITHOUT ROWID;

-- Calls from outside that no schedule has decided about.
CREATE TABLE call (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  dag    TEXT NOT NULL,
  id     TEXT NOT NULL,
  detail TEXT NOT NULL, -- JSON
  at     INTEGER NOT NULL,
  UNIQUE (dag, id)
) STRICT;
