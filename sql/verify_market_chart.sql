-- There is something to make candles of; otherwise says what is missing.
DO $$
BEGIN
    IF to_regclass('market_chart') IS NULL THEN
        RAISE 'the table market_chart doesn''t exist';
    ELSIF NOT EXISTS (SELECT FROM market_chart) THEN
        RAISE 'the table market_chart has no row';
    ELSIF NOT EXISTS (
        SELECT FROM (SELECT prices FROM market_chart ORDER BY id DESC LIMIT 1) AS latest
        WHERE prices @? '$[0]' AND jsonb_typeof(prices) = 'array'
    ) THEN
        RAISE 'the latest row of market_chart has no price in its list prices';
    END IF;
END
$$;
