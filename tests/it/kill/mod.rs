//! The promise: whatever is killed when, nothing is lost and nothing is done twice.
//!
//! Everything here goes through the real program and real servers. The truth that is compared with
//! comes from the oracle, from the database itself and from the file of the run state, not from
//! what the program says about itself.

mod daily_batch;
mod disk;
mod failpoints;
mod files;
mod interrupts;
pub(crate) mod machine;
mod market;
mod outage;
pub(crate) mod project;
pub(crate) mod stream;
mod together;
mod told;
pub(crate) mod truth;
