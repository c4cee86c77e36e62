//! The loop that carries runs out: events in, actions out; recovery; shutdown.

mod alarm;
pub mod clock;
mod host;
mod owner;
pub mod schedule;
mod scope;
mod tell;

pub use alarm::Alarm;
pub use host::{Control, Host, HostParts, NewRun, News, masker_of};
pub use owner::{OwnerLock, is_alive, ring};
pub use scope::trigger_word;
pub use tell::trial;
