-- Open, high, low, close and volume of every market and UTC day. Made once; refreshed ever after.

CREATE MATERIALIZED VIEW IF NOT EXISTS ohlcv_view AS
SELECT base,
       target,
       market_name,
       ("timestamp" AT TIME ZONE 'UTC')::date AS day,
       -- Of prices of the same moment, the one that was loaded first opens and the one loaded last closes.
       (array_agg(last_price ORDER BY "timestamp", id))[1] AS open_price,
       max(last_price) AS high_price,
       min(last_price) AS low_price,
       (array_agg(last_price ORDER BY "timestamp" DESC, id DESC))[1] AS close_price,
       sum(volume) AS total_volume
FROM luxor_data
WHERE "timestamp" IS NOT NULL AND last_price IS NOT NULL
GROUP BY base, target, market_name, day;

-- REFRESH … CONCURRENTLY finds by it which rows have changed.
CREATE UNIQUE INDEX IF NOT EXISTS ohlcv_view_key ON ohlcv_view (base, target, market_name, day);
