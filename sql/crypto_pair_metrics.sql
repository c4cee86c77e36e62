-- One row for each pair with a price in the last seven days. The rank is by the sample standard deviation of the last
-- day's prices; of fewer than two there is none, and such a pair comes last.

INSERT INTO crypto_pair_metrics (timestamp, pair, latest_price, weekly_average, min_price, max_price, std_rank)
SELECT poll.at,
       pair,
       (array_agg(price ORDER BY timestamp DESC))[1],
       avg(price),
       min(price),
       max(price),
       rank() OVER (ORDER BY stddev_samp(price) FILTER (WHERE timestamp > poll.at - interval '1 day') DESC NULLS LAST)
FROM raw_crypto_pair_price_history,
     (SELECT {{ run.logical_time }}::timestamptz AS at) AS poll
WHERE timestamp > poll.at - interval '7 days' AND timestamp <= poll.at
GROUP BY poll.at, pair
ON CONFLICT (pair, timestamp) DO UPDATE
SET (latest_price, weekly_average, min_price, max_price, std_rank)
    = (excluded.latest_price, excluded.weekly_average, excluded.min_price, excluded.max_price, excluded.std_rank);
