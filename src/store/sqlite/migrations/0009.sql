-- What has happened, counted, so that nobody has to read the past for it. It outlives the runs.
CREATE TABLE tally (
  dag    TEXT NOT NULL,
  what   TEXT NOT NULL,
  word   TEXT NOT NULL,
  bound  INTEGER NOT NULL, -- the smallest of `tally_bound`, or -1
  count  INTEGER NOT NULL,
  micros INTEGER NOT NULL, -- of all of them together
  PRIMARY KEY (dag, what, word, bound)
) STRICT, WITHOUT ROWID;

CREATE TABLE tally_bound (
  micros INTEGER PRIMARY KEY
) STRICT;
INSERT INTO tally_bound (micros) VALUES
  (10000), (50000), (250000), (1000000), (5000000), (15000000), (60000000), (300000000),
  (900000000), (3600000000), (14400000000), (86400000000);

-- Whoever writes, each is counted once, with what it is about.
CREATE TRIGGER tally_attempt AFTER INSERT ON attempt
BEGIN
  INSERT INTO tally (dag, what, word, bound, count, micros)
  SELECT dag, 'attempt', new.outcome,
    coalesce((SELECT micros FROM tally_bound WHERE micros >= new.finished - new.started
      ORDER BY micros LIMIT 1), -1),
    1, max(new.finished - new.started, 0)
  FROM run WHERE id = new.run
  ON CONFLICT DO UPDATE SET count = count + 1, micros = micros + excluded.micros;
END;

CREATE TRIGGER tally_start AFTER UPDATE OF started ON run
WHEN old.started IS NULL AND new.started IS NOT NULL
BEGIN
  INSERT INTO tally (dag, what, word, bound, count, micros)
  VALUES (new.dag, 'queued', '',
    coalesce((SELECT micros FROM tally_bound WHERE micros >= new.started - new.created
      ORDER BY micros LIMIT 1), -1),
    1, max(new.started - new.created, 0))
  ON CONFLICT DO UPDATE SET count = count + 1, micros = micros + excluded.micros;
  INSERT INTO tally (dag, what, word, bound, count, micros)
  SELECT new.dag, 'late', '',
    coalesce((SELECT micros FROM tally_bound WHERE micros >= new.started - new.logical_time
      ORDER BY micros LIMIT 1), -1),
    1, max(new.started - new.logical_time, 0)
  WHERE new.trigger_kind = 'schedule'
  ON CONFLICT DO UPDATE SET count = count + 1, micros = micros + excluded.micros;
END;

CREATE TRIGGER tally_end AFTER UPDATE OF finished ON run
WHEN old.finished IS NULL AND new.finished IS NOT NULL
BEGIN
  INSERT INTO tally (dag, what, word, bound, count, micros)
  VALUES (new.dag, 'run', new.state,
    coalesce((SELECT micros FROM tally_bound
      WHERE micros >= new.finished - coalesce(new.started, new.finished)
      ORDER BY micros LIMIT 1), -1),
    1, max(new.finished - coalesce(new.started, new.finished), 0))
  ON CONFLICT DO UPDATE SET count = count + 1, micros = micros + excluded.micros;
END;

-- What was skipped of one DAG, and of all of them, newest first.
DROP INDEX skipped_last;
CREATE INDEX skipped_last ON skipped (last, dag);
CREATE INDEX skipped_of_dag ON skipped (dag, last);
