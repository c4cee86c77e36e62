//! The engine, proven by simulation and shown by scenarios. See `docs/engine.md`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod checks;
mod edges;
mod executor;
mod foresight;
mod ledger;
mod limits;
mod oracle;
mod people;
mod plan;
pub(crate) mod random;
mod scale;
mod scenario;
mod scenarios;
mod simulation;
mod spans;
mod world;
