//! What a store promises, one function a promise.

mod runs;
mod shared;
mod tasks;

pub use runs::*;
pub use tasks::*;
