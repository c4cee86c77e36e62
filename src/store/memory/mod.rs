//! Run state that ends with the process.

mod account;
mod notices;
mod past;
mod rules;
mod run;
mod state;

pub use state::MemoryStore;
