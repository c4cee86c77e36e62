//! `runner`: declarative ETL jobs. See `docs/architecture.md` for the map of this crate.

pub mod cli;
pub mod connection;
pub mod daemon;
pub mod data;
pub mod document;
pub mod embedded;
pub mod engine;
pub mod exchange;
pub mod executor;
pub mod failpoint;
pub mod model;
pub mod operate;
pub mod picture;
pub mod rehearsal;
pub mod remote;
pub mod secret;
pub mod spec;
pub mod sqltext;
pub mod store;
pub mod task;
pub mod telemetry;
pub mod template;
pub mod trigger;
pub mod web;
