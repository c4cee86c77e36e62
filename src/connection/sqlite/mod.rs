//! SQLite: a database in a file.

mod error;
mod kind;
mod ledger;
mod load;
mod rows;
mod session;

pub(super) use kind::KIND;
