-- The raw answers, kept as they came, and what is made of them.

CREATE TABLE IF NOT EXISTS market_chart (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    extracted_at  timestamptz NOT NULL DEFAULT now(),
    prices        jsonb,  -- [[milliseconds, US dollars], …]
    market_caps   jsonb,
    total_volumes jsonb
);

CREATE TABLE IF NOT EXISTS daily_candlestick (
    date          date PRIMARY KEY,
    opening_price numeric,
    maximum_price numeric,
    minimum_price numeric,
    closing_price numeric,
    points        integer,  -- how many prices are behind the day
    extraction    bigint    -- the row of market_chart that they are from
);
