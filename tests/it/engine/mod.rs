//! The engine, proven by simulation and shown by scenarios. See `docs/engine.md`.

mod ledger;
mod oracle;
mod plan;
mod random;
//mod scale;
//mod scenario;
//mod scenarios;
mod simulation;
mod world;
