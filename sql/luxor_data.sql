-- What markets said of a coin, one row for each time they were asked.

CREATE TABLE IF NOT EXISTS luxor_data (
    id                        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    base                      text,
    target                    text,
    market_name               text,
    market_identifier         text,
    has_trading_incentive     boolean,
    last_price                numeric(20, 8),
    volume                    numeric(30, 8),
    converted_last_btc        numeric(20, 8),
    converted_last_eth        numeric(20, 8),
    converted_last_usd        numeric(20, 8),
    converted_last_usd_v2     numeric(20, 8),  -- no longer in the API's answers
    converted_volume_btc      numeric(30, 8),
    converted_volume_eth      numeric(30, 8),
    converted_volume_usd      numeric(30, 8),
    converted_volume_usd_v2   numeric(30, 8),  -- no longer in the API's answers
    trust_score               text,
    bid_ask_spread_percentage numeric(10, 6),
    "timestamp"               timestamptz,
    last_traded_at            timestamptz,
    last_fetch_at             timestamptz,
    is_anomaly                boolean,
    is_stale                  boolean,
    trade_url                 text,
    coin_id                   text,
    target_coin_id            text
);

-- The alerts look at the last ten minutes only, every five.
CREATE INDEX IF NOT EXISTS luxor_data_timestamp ON luxor_data ("timestamp");
