//! Run state in an SQLite file. See `docs/store.md`.

mod account;
mod begin;
mod connections;
mod encode;
mod error;
mod notice;
mod open;
mod order;
mod outside;
mod past;
mod readers;
mod row;
mod state;
mod statement;
mod tally;
mod writer;

pub use connections::SqliteStore;

#[cfg(test)]
mod tests;
