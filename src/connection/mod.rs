//! Connections: what tasks reach the world through. One file a kind, one row each in [`KINDS`].

mod database;
mod kind;

pub use database::{
    Claim, Database, DatabaseError, Dialect, ErrorPlace, Fetched, LedgerKey, LoadInput, LoadMode,
    LoadTarget, Loaded, Notice, Session, Statement, Stopper,
};
pub use kind::{Connection, ConnectionKind, Connections, Places, Surroundings};

/// Every kind of connection.
pub const KINDS: &[&ConnectionKind] = &[];
