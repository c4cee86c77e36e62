//! Run state that ends with the process.

mod run;
mod state;

pub use state::MemoryStore;
