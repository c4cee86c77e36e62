-- Which users never deposited? (NOT EXISTS: a deposit without a user would turn NOT IN into "nobody".)
SELECT user_id
FROM target."user" AS u
WHERE NOT EXISTS (
    SELECT
    FROM target.deposit AS d
    WHERE d.user_id = u.user_id
      AND coalesce(:tx_status::text, '') IN ('', tx_status_code)
)
ORDER BY user_id COLLATE "C"
