//! Run state that ends with the process.

mod account;
mod notices;
mod past;
mod rules;
mod run;
mod state;
mod tally;

pub use state::MemoryStore;
