-- For whoever asks what has ended since a moment.
CREATE INDEX run_ended ON run (dag, finished) WHERE finished IS NOT NULL;

-- A plain word, no JSON.
UPDATE skipped SET reason = reason ->> '$';
