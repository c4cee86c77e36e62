-- Average price and volume of each market in the run's interval, and their change in percent since the
-- interval before, which is as long. Both come from the run and not from the clock: a re-run says the same.

WITH bounds AS (
    SELECT {{ run.data_interval.start }}::timestamptz AS start,
           {{ run.data_interval.end }}::timestamptz AS "end"
),
averages AS (
    SELECT base,
           target,
           market_name,
           "timestamp" >= bounds.start AS is_now,
           avg(volume) AS volume,
           avg(last_price) AS last_price
    FROM luxor_data, bounds
    WHERE "timestamp" >= bounds.start - (bounds."end" - bounds.start) AND "timestamp" < bounds."end"
    GROUP BY base, target, market_name, is_now
)
SELECT base,
       target,
       market_name,
       round(now.volume, 8) AS avg_volume,
       round(now.last_price, 8) AS avg_last_price,
       -- Nothing to compare with, or 0: no change.
       coalesce(round((now.volume - before.volume) * 100 / nullif(before.volume, 0), 8), 0.0)
           AS percent_change_volume,
       coalesce(round((now.last_price - before.last_price) * 100 / nullif(before.last_price, 0), 8), 0.0)
           AS percent_change_last_price
FROM (SELECT * FROM averages WHERE is_now) AS now
LEFT JOIN (SELECT * FROM averages WHERE NOT is_now) AS before USING (base, target, market_name)
ORDER BY base, target, market_name;
