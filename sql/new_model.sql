-- The model that the snapshots are migrated into.
--
--   "user" ◀─┐    currency ◀─┐    tx_status ◀─┐
--            ├─ base_transaction ─────────────┘   ◁── deposit, withdrawal
--            └─ base_event                        ◁── event, login_event
--
-- A base table holds no rows of its own: reading it reads its children. Children inherit columns, defaults,
-- CHECK and NOT NULL, but neither primary nor foreign keys, so each child declares its own.

CREATE SCHEMA IF NOT EXISTS target;

CREATE TABLE IF NOT EXISTS target."user" (
    user_id varchar(32) PRIMARY KEY
);

CREATE TABLE IF NOT EXISTS target.currency (
    currency_code varchar(16) PRIMARY KEY
);

CREATE TABLE IF NOT EXISTS target.tx_status (
    tx_status_code varchar(16) PRIMARY KEY
);

CREATE TABLE IF NOT EXISTS target.base_transaction (
    id              int PRIMARY KEY,
    event_timestamp timestamptz,
    user_id         varchar(32) REFERENCES target."user",
    amount          numeric,
    currency_code   varchar(16) REFERENCES target.currency,
    tx_status_code  varchar(16) REFERENCES target.tx_status,
    type            varchar(16) NOT NULL
);

CREATE TABLE IF NOT EXISTS target.deposit (
    PRIMARY KEY (id),
    FOREIGN KEY (user_id) REFERENCES target."user",
    FOREIGN KEY (currency_code) REFERENCES target.currency,
    FOREIGN KEY (tx_status_code) REFERENCES target.tx_status,
    CHECK (type = 'deposit')
) INHERITS (target.base_transaction);

CREATE TABLE IF NOT EXISTS target.withdrawal (
    interface varchar(16),
    PRIMARY KEY (id),
    FOREIGN KEY (user_id) REFERENCES target."user",
    FOREIGN KEY (currency_code) REFERENCES target.currency,
    FOREIGN KEY (tx_status_code) REFERENCES target.tx_status,
    CHECK (type = 'withdrawal')
) INHERITS (target.base_transaction);

CREATE TABLE IF NOT EXISTS target.base_event (
    id              int PRIMARY KEY,
    event_timestamp timestamptz,
    user_id         varchar(32) REFERENCES target."user",
    event_name      varchar(32)
);

CREATE TABLE IF NOT EXISTS target.event (
    PRIMARY KEY (id),
    FOREIGN KEY (user_id) REFERENCES target."user"
) INHERITS (target.base_event);

CREATE TABLE IF NOT EXISTS target.login_event (
    PRIMARY KEY (id),
    FOREIGN KEY (user_id) REFERENCES target."user",
    CHECK (event_name = 'login')
) INHERITS (target.base_event);
