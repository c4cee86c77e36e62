//! Executors: where attempts are carried out. One file an executor.

mod job;
mod local;

pub use job::{Answer, Executor, Job};
pub use local::Local;
