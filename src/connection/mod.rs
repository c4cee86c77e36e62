//! Connections: what tasks reach the world through. One file a kind, one row each in [`KINDS`].

mod database;
mod kind;
mod postgres;
mod sqlite;

pub use crate::sqltext::Dialect;
pub use database::{
    ByteSource, Claim, Database, DatabaseError, ErrorPlace, Fetched, LedgerKey, LoadInput,
    LoadMode, LoadTarget, Loaded, Notice, Session, Statement, Stopper,
};
pub use kind::{Connection, ConnectionKind, Connections, Places, Surroundings};

/// Every kind of connection.
pub const KINDS: &[&ConnectionKind] = &[&postgres::KIND, &sqlite::KIND];
