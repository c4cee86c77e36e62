-- Candles of the days in the answers that haven't been looked at yet, and in the last that has.
-- An answer begins and ends in the middle of a day: a day is replaced only by one of as many points.

INSERT INTO daily_candlestick AS known
SELECT DISTINCT ON (date) *
FROM (
    SELECT (to_timestamp((point ->> 0)::numeric / 1000) AT TIME ZONE 'UTC')::date AS date,
           (array_agg((point ->> 1)::numeric ORDER BY (point ->> 0)::numeric, place))[1] AS opening_price,
           max((point ->> 1)::numeric) AS maximum_price,
           min((point ->> 1)::numeric) AS minimum_price,
           (array_agg((point ->> 1)::numeric ORDER BY (point ->> 0)::numeric DESC, place DESC))[1] AS closing_price,
           count(*)::integer AS points,
           id AS extraction
    FROM market_chart, jsonb_array_elements(prices) WITH ORDINALITY AS exploded (point, place)
    WHERE id >= coalesce((SELECT max(extraction) FROM daily_candlestick), 0) AND point ->> 1 IS NOT NULL
    GROUP BY id, date
) AS candles
ORDER BY date, points DESC, extraction DESC
ON CONFLICT (date) DO UPDATE
SET (opening_price, maximum_price, minimum_price, closing_price, points, extraction)
    = (excluded.opening_price, excluded.maximum_price, excluded.minimum_price, excluded.closing_price,
       excluded.points, excluded.extraction)
WHERE excluded.points >= known.points;
