-- How many users had a deposit or a withdrawal on that day?
SELECT count(DISTINCT user_id) AS active_users
FROM target.base_transaction
WHERE (event_timestamp AT TIME ZONE 'UTC')::date = :day::date
  AND coalesce(:tx_status::text, '') IN ('', tx_status_code)
