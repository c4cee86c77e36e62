-- `:least` is a parameter of the pipeline, bound as a value.
SELECT country, count(*) AS orders, sum(amount) AS amount
FROM orders
WHERE amount >= :least
GROUP BY country
ORDER BY amount DESC, country;
