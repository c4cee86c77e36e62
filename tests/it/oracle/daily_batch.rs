//! `daily_batch` once more: its tables and its eight answers, from the four CSV files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::snapshots::{Batch, Transaction, text};
use super::values::{Day, Decimal};

/// The parameters of the pipeline, as text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Params<'a> {
    pub(crate) day: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) currency: &'a str,
    /// Empty: every status.
    pub(crate) tx_status: &'a str,
    /// `ever` or `on_day`.
    pub(crate) count_deposits: &'a str,
}

impl Default for Params<'_> {
    fn default() -> Self {
        Self {
            day: "2020-08-20",
            from: "2020-08-20",
            to: "2020-08-21",
            currency: "mxn",
            tx_status: "",
            count_deposits: "ever",
        }
    }
}

/// The bytes of `query1.csv` to `query8.csv` for the snapshots in the folder `samples`.
pub(crate) fn answers(samples: &Path, params: &Params<'_>) -> [String; 8] {
    let batch = Batch::read(samples);
    let day = Day::parse(params.day);
    let counts = |row: &&Transaction| {
        params.tx_status.is_empty() || row.tx_status.as_deref() == Some(params.tx_status)
    };
    let deposits: Vec<_> = batch.deposits.iter().filter(counts).collect();
    let withdrawals: Vec<_> = batch.withdrawals.iter().filter(counts).collect();
    let deposits_that_day: Vec<_> = on(day, &deposits);
    let withdrawals_that_day: Vec<_> = on(day, &withdrawals);

    let active = distinct(
        deposits_that_day.iter().chain(&withdrawals_that_day),
        |row| &row.user,
    );
    let depositors = distinct(deposits.iter(), |row| &row.user);
    let idle: Vec<_> = batch.users().difference(&depositors).cloned().collect();
    let counted = match params.count_deposits {
        "ever" => &deposits,
        "on_day" => &deposits_that_day,
        other => panic!("`{other}` is neither `ever` nor `on_day`"),
    };
    let frequent = tally(counted.iter().map(|row| &row.user))
        .into_iter()
        .filter(|(_, count)| *count > 5);

    let mut last_login = BTreeMap::new();
    for login in batch.logins() {
        if let Some(user) = &login.user {
            let last = last_login.entry(user).or_insert(login.at);
            *last = login.at.max(*last);
        }
    }
    let (from, to) = (Day::parse(params.from), Day::parse(params.to));
    let logins_between = batch
        .logins()
        .filter(|login| from <= login.at.day() && login.at.day() < to);
    let total = deposits_that_day
        .iter()
        .filter(|row| row.currency.as_deref() == Some(params.currency))
        .filter_map(|row| row.amount)
        .fold(Decimal::ZERO, Decimal::add);

    [
        lines("active_users", [active.len()]),
        lines("user_id", idle),
        lines(
            "user_id,deposit_count",
            frequent.map(|(user, count)| format!("{user},{count}")),
        ),
        lines(
            "user_id,last_login",
            last_login
                .into_iter()
                .map(|(user, at)| format!("{user},{at}+00")),
        ),
        lines(
            "user_id,login_count",
            tally(logins_between.map(|login| &login.user))
                .into_iter()
                .map(|(user, count)| format!("{user},{count}")),
        ),
        lines(
            "unique_currencies_deposited",
            [distinct(deposits_that_day.iter(), |row| &row.currency).len()],
        ),
        lines(
            "unique_currencies_withdrew",
            [distinct(withdrawals_that_day.iter(), |row| &row.currency).len()],
        ),
        lines("total_amount_deposited", [total]),
    ]
}

/// What a table should hold after the migration.
#[derive(Debug)]
pub(crate) struct Table {
    /// For messages.
    pub(crate) name: &'static str,
    /// Reads the table in a form and an order that don't depend on the server's settings.
    pub(crate) query: &'static str,
    /// What `COPY (query) TO STDOUT (FORMAT csv)` gives.
    pub(crate) csv: String,
}

/// All tables for the snapshots in the folder `samples`: the snapshots' own, then the model's.
pub(crate) fn tables(samples: &Path) -> Vec<Table> {
    let batch = Batch::read(samples);
    let deposits = || batch.deposits.iter().map(|row| (row.id, row.cells()));
    let withdrawals = || batch.withdrawals.iter().map(|row| (row.id, row.cells()));
    let events = |logins: bool| {
        batch
            .events
            .iter()
            .filter(move |event| event.is_login() == logins)
            .map(|event| (event.id, event.cells()))
    };
    let with_interface = || {
        batch
            .withdrawals
            .iter()
            .map(|row| (row.id, format!("{},{}", row.cells(), row.interface)))
    };
    let typed = |(id, cells): (i64, String), name: &str| (id, format!("{cells},{name}"));
    let transactions = || batch.deposits.iter().chain(&batch.withdrawals);

    let contents = [
        by_id(deposits()),
        by_id(with_interface()),
        by_id(events(true).chain(events(false))),
        sorted(
            batch
                .listed_users
                .iter()
                .map(|user| text(user.as_ref()).to_owned()),
        ),
        sorted(batch.users()),
        sorted(distinct(transactions(), |row| &row.currency)),
        sorted(distinct(transactions(), |row| &row.tx_status)),
        by_id(deposits().map(|row| typed(row, "deposit"))),
        by_id(with_interface().map(|row| typed(row, "withdrawal"))),
        by_id(
            deposits()
                .map(|row| typed(row, "deposit"))
                .chain(withdrawals().map(|row| typed(row, "withdrawal"))),
        ),
        String::new(),
        by_id(events(false)),
        by_id(events(true)),
        by_id(events(true).chain(events(false))),
        String::new(),
    ];
    TABLES
        .into_iter()
        .zip(contents)
        .map(|((name, query), csv)| Table { name, query, csv })
        .collect()
}

/// Name and query of each table, in the order of `contents` above.
const TABLES: [(&str, &str); 15] = [
    (
        "deposit",
        "SELECT id, to_char(event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), user_id, amount, currency, tx_status FROM deposit ORDER BY id",
    ),
    (
        "withdrawals",
        "SELECT id, to_char(event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), user_id, amount, currency, tx_status, interface FROM withdrawals ORDER BY id",
    ),
    (
        "event",
        "SELECT id, to_char(event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), user_id, event_name FROM event ORDER BY id",
    ),
    (
        "user_id",
        "SELECT user_id FROM user_id ORDER BY user_id COLLATE \"C\" NULLS FIRST",
    ),
    (
        "target.user",
        "SELECT user_id FROM target.\"user\" ORDER BY user_id COLLATE \"C\"",
    ),
    (
        "target.currency",
        "SELECT currency_code FROM target.currency ORDER BY currency_code COLLATE \"C\"",
    ),
    (
        "target.tx_status",
        "SELECT tx_status_code FROM target.tx_status ORDER BY tx_status_code COLLATE \"C\"",
    ),
    (
        "target.deposit",
        "SELECT id, to_char(event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), user_id, amount, currency_code, tx_status_code, type FROM target.deposit ORDER BY id",
    ),
    (
        "target.withdrawal",
        "SELECT id, to_char(event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), user_id, amount, currency_code, tx_status_code, interface, type FROM target.withdrawal ORDER BY id",
    ),
    (
        "target.base_transaction with its children",
        "SELECT id, to_char(event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), user_id, amount, currency_code, tx_status_code, type FROM target.base_transaction ORDER BY id, type COLLATE \"C\"",
    ),
    (
        "target.base_transaction itself",
        "SELECT id FROM ONLY target.base_transaction ORDER BY id",
    ),
    (
        "target.event",
        "SELECT id, to_char(event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), user_id, event_name FROM target.event ORDER BY id",
    ),
    (
        "target.login_event",
        "SELECT id, to_char(event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), user_id, event_name FROM target.login_event ORDER BY id",
    ),
    (
        "target.base_event with its children",
        "SELECT id, to_char(event_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), user_id, event_name FROM target.base_event ORDER BY id",
    ),
    (
        "target.base_event itself",
        "SELECT id FROM ONLY target.base_event ORDER BY id",
    ),
];

fn on<'a>(day: Day, rows: &[&'a Transaction]) -> Vec<&'a Transaction> {
    rows.iter()
        .copied()
        .filter(|row| row.at.day() == day)
        .collect()
}

fn distinct<R>(
    rows: impl Iterator<Item = R>,
    cell: impl Fn(&R) -> &Option<String>,
) -> BTreeSet<String> {
    rows.filter_map(|row| cell(&row).clone()).collect()
}

fn tally<'a>(users: impl Iterator<Item = &'a Option<String>>) -> BTreeMap<&'a str, u64> {
    let mut counts = BTreeMap::new();
    for user in users.flatten() {
        *counts.entry(user.as_str()).or_default() += 1;
    }
    counts
}

fn by_id(rows: impl Iterator<Item = (i64, String)>) -> String {
    let mut rows: Vec<_> = rows.collect();
    // Equal ids come in the order of their type: the sort is stable, and deposits are put in first.
    rows.sort_by_key(|(id, _)| *id);
    rows.into_iter().map(|(_, cells)| cells + "\n").collect()
}

fn sorted(values: impl IntoIterator<Item = String>) -> String {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort();
    values.into_iter().map(|value| value + "\n").collect()
}

fn lines<T: ToString>(header: &str, rows: impl IntoIterator<Item = T>) -> String {
    let mut csv = format!("{header}\n");
    for row in rows {
        csv += &row.to_string();
        csv.push('\n');
    }
    csv
}

#[cfg(test)]
mod tests;
