-- Which users never deposited? A deposit may have no user: NOT IN would then answer "nobody".
-- (The few depositors are found first: joining every user with every deposit takes three times as long.)
WITH depositor AS (
    SELECT DISTINCT user_id
    FROM target.deposit
    WHERE coalesce(:tx_status::text, '') IN ('', tx_status_code)
)
SELECT user_id
FROM target."user" AS u
WHERE NOT EXISTS (SELECT FROM depositor AS d WHERE d.user_id = u.user_id)
ORDER BY user_id COLLATE "C"
