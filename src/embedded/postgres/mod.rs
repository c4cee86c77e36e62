//! A private PostgreSQL cluster: `postgres: embedded` in a project.

mod cluster;
mod connect;
mod machine;
mod search;

pub use connect::{PostgresServer, acquire, acquire_with, ensure_database};

pub(super) use cluster::KIND;
