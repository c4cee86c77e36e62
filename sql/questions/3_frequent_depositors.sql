-- Which users made more than 5 deposits: ever, or (count_deposits = 'on_day') on that day?
SELECT user_id, count(*) AS deposit_count
FROM target.deposit
WHERE user_id IS NOT NULL
  AND (:count_deposits::text = 'ever' OR (event_timestamp AT TIME ZONE 'UTC')::date = :day::date)
  AND coalesce(:tx_status::text, '') IN ('', tx_status_code)
GROUP BY user_id
HAVING count(*) > 5
ORDER BY user_id COLLATE "C"
