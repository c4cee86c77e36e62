-- One batch of messages: pair, bid, ask, timestamp (seconds since 1970), in the order of batch_row.

-- Whoever computes with the same extremes waits here until this batch is committed.
INSERT INTO crypto_extremes AS known (scope)
SELECT DISTINCT CASE :extremes WHEN 'pair' THEN pair ELSE '*' END FROM batch ORDER BY 1
ON CONFLICT (scope) DO UPDATE SET scope = known.scope;

INSERT INTO crypto_metrics
    (pair, bid, ask, mid_price, spread, highest_bid, lowest_ask, max_spread, timestamp)
SELECT
    pair, bid, ask, (bid + ask) * 0.5, ask - bid,
    greatest(known.highest_bid, max(bid) OVER so_far),
    least(known.lowest_ask, min(ask) OVER so_far),
    greatest(known.max_spread, max(ask - bid) OVER so_far),
    to_timestamp(timestamp) AT TIME ZONE 'UTC'
FROM batch
JOIN crypto_extremes known ON known.scope IN (pair, '*') AND (known.scope = '*') = (:extremes = 'all')
WINDOW so_far AS (PARTITION BY known.scope ORDER BY batch_row)
ORDER BY batch_row;

UPDATE crypto_extremes known SET
    highest_bid = greatest(known.highest_bid, new.highest_bid),
    lowest_ask = least(known.lowest_ask, new.lowest_ask),
    max_spread = greatest(known.max_spread, new.max_spread)
FROM (
    SELECT CASE :extremes WHEN 'pair' THEN pair ELSE '*' END AS scope,
        max(bid) AS highest_bid, min(ask) AS lowest_ask, max(ask - bid) AS max_spread
    FROM batch GROUP BY 1
) new
WHERE known.scope = new.scope;

-- Windows of 60 s in the messages' own time. A late message finds its window again: windows that
-- this batch touches are computed anew, from all of their rows.
INSERT INTO crypto_metrics_1m (pair, window_start, avg_mid, max_spread, count)
SELECT pair, window_start, avg(mid_price), max(spread), count(*)
FROM (
    SELECT DISTINCT pair, date_bin('60 s', to_timestamp(timestamp) AT TIME ZONE 'UTC', 'epoch') AS window_start
    FROM batch
) touched
JOIN crypto_metrics USING (pair)
WHERE crypto_metrics.timestamp >= window_start AND crypto_metrics.timestamp < window_start + interval '60 s'
GROUP BY pair, window_start
ORDER BY pair, window_start
ON CONFLICT (pair, window_start) DO UPDATE SET
    avg_mid = excluded.avg_mid, max_spread = excluded.max_spread, count = excluded.count;
