-- How often did each user log in, from the first date up to but without the second?
SELECT user_id, count(*) AS login_count
FROM target.login_event
WHERE user_id IS NOT NULL
  AND (event_timestamp AT TIME ZONE 'UTC')::date >= :from::date
  AND (event_timestamp AT TIME ZONE 'UTC')::date < :to::date
GROUP BY user_id
ORDER BY user_id COLLATE "C"
