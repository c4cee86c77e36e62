//! What a store promises, one function a promise.

mod accounts;
mod notices;
mod runs;
mod schedules;
mod shared;
mod tasks;

pub use accounts::*;
pub use notices::*;
pub use runs::*;
pub use schedules::*;
pub use tasks::*;
