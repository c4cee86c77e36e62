//! PostgreSQL: a server somewhere, or the project's own.

mod address;
mod error;
mod kind;
mod ledger;
mod load;
mod notices;
mod offsets;
mod reach;
mod rows;
mod session;
mod stopper;
mod values;

pub(super) use kind::KIND;
