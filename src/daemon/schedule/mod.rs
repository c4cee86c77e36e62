//! The daemon: runs begin by themselves, and the project's files may change meanwhile.

mod decide;
mod known;
mod lock;
mod reload;
mod scheduler;
mod watch;

pub use lock::{DaemonLock, NotAlone};
pub use scheduler::{ReadProject, Scheduler, SchedulerParts, Until};
pub use watch::Watch;
