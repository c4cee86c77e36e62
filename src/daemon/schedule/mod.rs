//! The daemon: runs begin by themselves, and the project's files may change meanwhile.

mod decide;
mod known;
mod lock;
mod reload;
mod scheduler;
mod watch;

pub use lock::DaemonLock;
pub use scheduler::{Scheduler, SchedulerParts, Until};
pub use watch::watch;
