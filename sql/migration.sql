-- Rebuilds the target tables from the snapshots, in one transaction: a reader waits for it and then sees the new
-- tables, never half of them; a second run gives the same tables; what has left a snapshot leaves the target, too.

-- In one statement, because they refer to each other. A parent takes its children with it.
TRUNCATE target.base_transaction, target.base_event, target."user", target.currency, target.tx_status;

-- The file of users has a blank line: a NULL, which is no user. (UNION drops doubles on its own, but by sorting;
-- DISTINCT first hashes the million deposits down to their few users in a quarter of the time.)
INSERT INTO target."user" (user_id)
SELECT user_id
FROM (
    SELECT user_id FROM user_id
    UNION
    SELECT DISTINCT user_id FROM deposit
    UNION
    SELECT DISTINCT user_id FROM withdrawals
    UNION
    SELECT DISTINCT user_id FROM event
) AS everybody
WHERE user_id IS NOT NULL;

INSERT INTO target.currency (currency_code)
SELECT currency
FROM (SELECT DISTINCT currency FROM deposit UNION SELECT currency FROM withdrawals) AS every_currency
WHERE currency IS NOT NULL;

INSERT INTO target.tx_status (tx_status_code)
SELECT tx_status
FROM (SELECT DISTINCT tx_status FROM deposit UNION SELECT tx_status FROM withdrawals) AS every_status
WHERE tx_status IS NOT NULL;

-- Checked row by row, the foreign keys of the deposits take 24 s at full size; added to the full table, which
-- checks all rows at once, 1 s. So they are put aside, and put back as new_model.sql declares them.
ALTER TABLE target.deposit
    DROP CONSTRAINT deposit_user_id_fkey,
    DROP CONSTRAINT deposit_currency_code_fkey,
    DROP CONSTRAINT deposit_tx_status_code_fkey;

INSERT INTO target.deposit (id, event_timestamp, user_id, amount, currency_code, tx_status_code, type)
SELECT id, event_timestamp, user_id, amount, currency, tx_status, 'deposit'
FROM deposit;

ALTER TABLE target.deposit
    ADD CONSTRAINT deposit_user_id_fkey FOREIGN KEY (user_id) REFERENCES target."user",
    ADD CONSTRAINT deposit_currency_code_fkey FOREIGN KEY (currency_code) REFERENCES target.currency,
    ADD CONSTRAINT deposit_tx_status_code_fkey FOREIGN KEY (tx_status_code) REFERENCES target.tx_status;

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
