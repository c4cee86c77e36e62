//! What starts runs beside the clock and people. One file a kind, one row each in [`KINDS`].
//!
//! A trigger is only looked at by a daemon, and says what is there. Whether that starts a run is
//! decided by the planner, and remembered with the run.

mod file;
mod fixed;
mod hook;
mod kind;
mod query;
mod topic;
mod webhook;

pub use hook::{Hook, MOST_BODY, Refused};
pub use kind::{Around, Item, Kind, Read, Scope, Sight, Trigger, View, Watch, WatchError};

/// Every kind of trigger.
pub const KINDS: &[&Kind] = &[&file::KIND, &topic::KIND, &query::KIND, &webhook::KIND];
