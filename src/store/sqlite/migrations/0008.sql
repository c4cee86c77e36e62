-- A version goes with the last of its runs.
CREATE INDEX run_of_version ON run (version);
DELETE FROM version WHERE NOT EXISTS (SELECT 1 FROM run WHERE run.version = version.hash);
