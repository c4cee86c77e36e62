//! The scheduler: a deterministic state machine. Events and the time go in, actions come out.
//!
//! It has no clock, no I/O and no randomness of its own. The caller makes the recorded
//! transitions of a batch durable and acts on the rest afterwards: commit, then act.
//! `docs/engine.md` has the state diagram, the invariants and how they are proven.

mod admission;
mod api;
mod attempt;
mod change;
mod dependency;
mod person;
pub mod plan;
mod queue;
mod recovery;
mod retry;
mod rules;
mod scheduler;
pub mod simulation;
mod state;
mod why;

pub use api::{AbortReason, Action, Event, Limits, Prepared};
pub use retry::FORGIVEN_LOSSES;
pub use scheduler::Engine;
pub use why::{EndedBy, Why};
