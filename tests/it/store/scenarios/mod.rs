//! What a store promises, one function a promise.

mod accounts;
mod counts;
mod notices;
mod owners;
mod runs;
mod schedules;
mod shared;
mod tasks;

pub use accounts::*;
pub use counts::*;
pub use notices::*;
pub use owners::*;
pub use runs::*;
pub use schedules::*;
pub use tasks::*;
