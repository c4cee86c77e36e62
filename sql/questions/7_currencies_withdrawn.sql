-- How many currencies were withdrawn on that day?
SELECT count(DISTINCT currency_code) AS unique_currencies_withdrew
FROM target.withdrawal
WHERE (event_timestamp AT TIME ZONE 'UTC')::date = :day::date
  AND coalesce(:tx_status::text, '') IN ('', tx_status_code)
