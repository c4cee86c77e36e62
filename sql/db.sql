-- The four snapshots, as they arrive: no keys, every column may be NULL. A load replaces what is in them.
--
-- Times are timestamptz and amounts numeric, so that neither an offset nor a decimal is lost on the way in.
-- A time without an offset is read in the connection's time zone: load through one that is set to UTC, as the runner's are.

CREATE TABLE IF NOT EXISTS deposit (
    id              int,
    event_timestamp timestamptz,
    user_id         varchar(32),
    amount          numeric,
    currency        varchar(16),
    tx_status       varchar(16)
);

CREATE TABLE IF NOT EXISTS withdrawals (
    id              int,
    event_timestamp timestamptz,
    user_id         varchar(32),
    amount          numeric,
    interface       varchar(16),
    currency        varchar(16),
    tx_status       varchar(16)
);

CREATE TABLE IF NOT EXISTS event (
    id              int,
    event_timestamp timestamptz,
    user_id         varchar(32),
    event_name      varchar(32)
);

CREATE TABLE IF NOT EXISTS user_id (
    user_id varchar(32)
);
