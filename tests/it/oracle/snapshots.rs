//! The four snapshots of `daily_batch`, split by hand.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::values::{Decimal, Moment};

/// The four files, line by line.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) deposits: Vec<Transaction>,
    pub(super) withdrawals: Vec<Transaction>,
    pub(super) events: Vec<Event>,
    pub(super) listed_users: Vec<Option<String>>,
}

#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) id: i64,
    pub(super) at: Moment,
    pub(super) user: Option<String>,
    pub(super) amount: Option<Decimal>,
    /// Empty for a deposit.
    pub(super) interface: String,
    pub(super) currency: Option<String>,
    pub(super) tx_status: Option<String>,
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: i64,
    pub(super) at: Moment,
    pub(super) user: Option<String>,
    pub(super) name: String,
}

impl Batch {
    pub(super) fn read(samples: &Path) -> Self {
        let transaction =
            |[id, at, user, amount, interface, currency, status]: [&str; 7]| Transaction {
                id: id.parse().expect("an id"),
                at: Moment::parse(at),
                user: cell(user),
                amount: (!amount.is_empty()).then(|| Decimal::parse(amount)),
                interface: interface.to_owned(),
                currency: cell(currency),
                tx_status: cell(status),
            };
        Self {
            deposits: rows(
                samples,
                "deposit",
                "id,event_timestamp,user_id,amount,currency,tx_status",
                |[id, at, user, amount, currency, status]| {
                    transaction([id, at, user, amount, "", currency, status])
                },
            ),
            withdrawals: rows(
                samples,
                "withdrawals",
                "id,event_timestamp,user_id,amount,interface,currency,tx_status",
                transaction,
            ),
            events: rows(
                samples,
                "event",
                "id,event_timestamp,user_id,event_name",
                |[id, at, user, name]| Event {
                    id: id.parse().expect("an id"),
                    at: Moment::parse(at),
                    user: cell(user),
                    name: name.to_owned(),
                },
            ),
            listed_users: rows(samples, "user_id", "user_id", |[user]| cell(user)),
        }
    }

    /// Everybody who is named in any file.
    pub(super) fn users(&self) -> BTreeSet<String> {
        let transactions = self.deposits.iter().chain(&self.withdrawals);
        transactions
            .map(|row| &row.user)
            .chain(self.events.iter().map(|event| &event.user))
            .chain(&self.listed_users)
            .flatten()
            .cloned()
            .collect()
    }

    pub(super) fn logins(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| event.is_login())
    }
}

impl Transaction {
    pub(super) fn cells(&self) -> String {
        let amount = self
            .amount
            .map(|amount| amount.to_string())
            .unwrap_or_default();
        format!(
            "{},{},{},{amount},{},{}",
            self.id,
            self.at,
            text(self.user.as_ref()),
            text(self.currency.as_ref()),
            text(self.tx_status.as_ref())
        )
    }
}

impl Event {
    pub(super) fn is_login(&self) -> bool {
        self.name == "login"
    }

    pub(super) fn cells(&self) -> String {
        format!(
            "{},{},{},{}",
            self.id,
            self.at,
            text(self.user.as_ref()),
            self.name
        )
    }
}

/// The rows of a file, split at each comma: the snapshots quote nothing.
fn rows<const N: usize, T>(
    samples: &Path,
    name: &str,
    header: &str,
    row: impl Fn([&str; N]) -> T,
) -> Vec<T> {
    let path = samples.join(format!("{name}_sample_data.csv"));
    let content = fs::read_to_string(&path).expect("a readable snapshot");
    assert!(!content.contains('"'), "{name} has a quote");
    let mut lines = content.lines();
    assert_eq!(lines.next(), Some(header), "the header of {name}");
    let cells = |line: &str| -> [String; N] {
        let cells: Vec<_> = line.split(',').map(str::to_owned).collect();
        cells
            .try_into()
            .unwrap_or_else(|_| panic!("`{line}` of {name} has other columns"))
    };
    lines
        .map(|line| row(cells(line).each_ref().map(String::as_str)))
        .collect()
}

fn cell(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A cell as CSV: NULL is empty.
pub(super) fn text(cell: Option<&String>) -> &str {
    cell.map(String::as_str).unwrap_or_default()
}
