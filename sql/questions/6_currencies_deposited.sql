-- How many currencies were deposited on that day?
SELECT count(DISTINCT currency_code) AS unique_currencies_deposited
FROM target.deposit
WHERE (event_timestamp AT TIME ZONE 'UTC')::date = :day::date
  AND coalesce(:tx_status::text, '') IN ('', tx_status_code)
