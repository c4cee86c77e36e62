-- Prices as they were polled, and what is made of them after each poll.

CREATE TABLE IF NOT EXISTS raw_crypto_pair_price_history (
    timestamp timestamptz NOT NULL,
    pair      text        NOT NULL,
    price     numeric     NOT NULL,
    PRIMARY KEY (pair, timestamp)
);

CREATE TABLE IF NOT EXISTS crypto_pair_metrics (
    timestamp      timestamptz NOT NULL,
    pair           text        NOT NULL,
    latest_price   numeric     NOT NULL,
    weekly_average numeric     NOT NULL,
    min_price      numeric     NOT NULL,  -- of the week
    max_price      numeric     NOT NULL,
    std_rank       integer     NOT NULL,  -- 1 moved most in the last day
    PRIMARY KEY (pair, timestamp)
);
