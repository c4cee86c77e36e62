//! The daemon: runs begin by themselves, and the project's files may change meanwhile.

mod decide;
mod elsewhere;
mod know;
mod known;
mod lock;
mod look;
mod reload;
mod scheduler;
mod watch;

pub use known::plan_of;
pub use lock::{DaemonLock, NotAlone};
pub use look::{Look, look};
pub use scheduler::{ReadProject, Scheduler, SchedulerParts, Until};
pub use watch::Watch;
