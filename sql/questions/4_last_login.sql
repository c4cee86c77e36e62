-- When did each user log in last? Spelled out, so that the file is the same whatever the server's time zone.
SELECT user_id, to_char(max(event_timestamp) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"+00"') AS last_login
FROM target.login_event
WHERE user_id IS NOT NULL
GROUP BY user_id
ORDER BY user_id COLLATE "C"
