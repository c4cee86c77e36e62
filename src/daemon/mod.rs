//! The loop that carries runs out: events in, actions out; recovery; shutdown.

mod alarm;
mod backfill;
mod begin;
pub mod clock;
mod host;
mod owner;
mod rest;
pub mod retention;
pub mod schedule;
mod scope;
mod supervisor;
mod tell;

pub use alarm::{Alarm, Hand};
pub use backfill::Backfill;
pub use begin::{Beginning, begin};
pub use host::{Control, Host, HostParts, NewRun, News, Wish, masker_of, no_runs};
pub use owner::{OwnerLock, is_alive, ring};
pub use scope::trigger_word;
pub use supervisor::Supervisor;
pub use tell::trial;
