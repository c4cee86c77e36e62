-- Rebuilds the target tables from the snapshots. One transaction: a reader sees the old tables or the new
-- ones, a second run gives the same tables, and rows that left the snapshot leave the target, too.

-- All in one statement, because they refer to each other. A parent takes its children with it.
TRUNCATE target.base_transaction, target.base_event, target."user", target.currency, target.tx_status;

-- UNION drops doubles. The file of users has a blank line, which is a NULL and no user.
INSERT INTO target."user" (user_id)
SELECT user_id
FROM (
    SELECT user_id FROM user_id
    UNION
    SELECT user_id FROM deposit
    UNION
    SELECT user_id FROM withdrawals
    UNION
    SELECT user_id FROM event
) AS everybody
WHERE user_id IS NOT NULL;

INSERT INTO target.currency (currency_code)
SELECT currency
FROM (SELECT currency FROM deposit UNION SELECT currency FROM withdrawals) AS every_currency
WHERE currency IS NOT NULL;

INSERT INTO target.tx_status (tx_status_code)
SELECT tx_status
FROM (SELECT tx_status FROM deposit UNION SELECT tx_status FROM withdrawals) AS every_status
WHERE tx_status IS NOT NULL;

INSERT INTO target.deposit (id, event_timestamp, user_id, amount, currency_code, tx_status_code, type)
SELECT id, event_timestamp, user_id, amount, currency, tx_status, 'deposit'
FROM deposit;

INSERT INTO target.withdrawal (id, event_timestamp, user_id, amount, interface, currency_code, tx_status_code, type)
SELECT id, event_timestamp, user_id, amount, interface, currency, tx_status, 'withdrawal'
FROM withdrawals;

-- A login goes into login_event only: the parent, which reads both, counts it once.
INSERT INTO target.event (id, event_timestamp, user_id, event_name)
SELECT id, event_timestamp, user_id, event_name
FROM event
WHERE event_name IS DISTINCT FROM 'login';

INSERT INTO target.login_event (id, event_timestamp, user_id, event_name)
SELECT id, event_timestamp, user_id, event_name
FROM event
WHERE event_name = 'login';
