//! Run state that ends with the process.

mod notices;
mod run;
mod state;

pub use state::MemoryStore;
