//! What a store promises, one function a promise.

mod runs;
mod schedules;
mod shared;
mod tasks;

pub use runs::*;
pub use schedules::*;
pub use tasks::*;
