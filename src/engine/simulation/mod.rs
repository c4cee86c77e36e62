//! The time machine: the planner and the engine themselves, run forward in virtual time.
//!
//! Tasks take as long as they are told to, and succeed. What comes out is what would happen: runs,
//! skipped ticks, missed deadlines, and waits for slots.

mod alone;
mod carry;
mod foreseen;
mod machine;

pub use foreseen::{
    Actor, Becomes, Foreseen, ForeseenLate, ForeseenRun, ForeseenSkip, ForeseenWait, Part,
};
pub use machine::{simulate, simulate_runs};
