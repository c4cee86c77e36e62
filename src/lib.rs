//! `runner`: declarative ETL jobs. See `docs/architecture.md` for the map of this crate.

pub mod engine;
pub mod model;
