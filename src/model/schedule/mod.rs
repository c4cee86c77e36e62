//! When a DAG runs by itself: schedules, their evaluation and the data intervals they cut.
//!
//! Everything is a function of its arguments: no clock is read. `docs/scheduling.md` has the
//! semantics with examples.

mod clock;
mod cron_fields;
mod cron_rule;
mod cron_text;
#[cfg(test)]
mod cronie_tests;
mod describe;
#[cfg(test)]
mod tests;
mod timetable;
mod zone;

pub use clock::{Calendar, Clock, Every, Rule};
pub use cron_rule::CronRule;
pub use cron_text::{CronMistake, NICKNAMES};
pub use timetable::{Catchup, OverlapPolicy, Schedule, Timetable};
pub use zone::from_local;
