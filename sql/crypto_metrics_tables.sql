CREATE TABLE IF NOT EXISTS crypto_metrics (
    id SERIAL PRIMARY KEY,
    pair VARCHAR(10),
    bid NUMERIC,
    ask NUMERIC,
    mid_price NUMERIC,
    spread NUMERIC,
    highest_bid NUMERIC,
    lowest_ask NUMERIC,
    max_spread NUMERIC,
    timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP   -- UTC
);
CREATE INDEX IF NOT EXISTS crypto_metrics_pair_timestamp ON crypto_metrics (pair, timestamp);

-- The extremes so far, of each pair or of all of them (`*`): where the next batch goes on.
CREATE TABLE IF NOT EXISTS crypto_extremes (
    scope VARCHAR(10) PRIMARY KEY,
    highest_bid NUMERIC,
    lowest_ask NUMERIC,
    max_spread NUMERIC
);

CREATE TABLE IF NOT EXISTS crypto_metrics_1m (
    pair VARCHAR(10),
    window_start TIMESTAMP,                         -- UTC
    avg_mid NUMERIC NOT NULL,
    max_spread NUMERIC NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (pair, window_start)
);
