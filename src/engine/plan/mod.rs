//! When runs begin by themselves: a deterministic state machine beside the one that carries them
//! out. Events and the time go in, decisions come out.
//!
//! Every tick of every schedule is decided once: it starts a run, waits, or is skipped with a
//! reason. What has been decided is durable before it is acted on, together with the moment up to
//! which ticks are decided, so that after a crash nothing is decided twice and nothing is left out.

mod after;
mod api;
mod clockwork;
mod deadline;
mod fired;
mod planner;
mod spans;
#[cfg(test)]
mod tests;
mod track;
mod waiting;

pub use api::{
    Active, Cause, DagPlan, Decision, Firing, Heard, Key, Memory, Occurrence, PlanEvent,
    SkipReason, Trouble,
};
pub use planner::Planner;
pub use waiting::Waiting;
