//! The scheduler: a deterministic state machine. Events and the time go in, actions come out.
//!
//! It has no clock, no I/O and no randomness of its own. The caller makes the recorded
//! transitions of a batch durable and acts on the rest afterwards: commit, then act.

mod api;

pub use api::{AbortReason, Action, Event, Limits, Prepared};
