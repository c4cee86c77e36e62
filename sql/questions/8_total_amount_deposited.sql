-- How much of the currency was deposited on that day? 0 when there was nothing; all decimals are kept.
SELECT coalesce(sum(amount), 0) AS total_amount_deposited
FROM target.deposit
WHERE currency_code = :currency
  AND (event_timestamp AT TIME ZONE 'UTC')::date = :day::date
  AND coalesce(:tx_status::text, '') IN ('', tx_status_code)
