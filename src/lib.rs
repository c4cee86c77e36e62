//! `runner`: declarative ETL jobs. See `docs/architecture.md` for the map of this crate.

pub mod document;
pub mod engine;
pub mod model;
pub mod template;
