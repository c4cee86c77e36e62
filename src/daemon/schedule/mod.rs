//! The daemon: runs begin by themselves, and the project's files may change meanwhile.

mod call;
mod decide;
mod elsewhere;
mod firing;
mod know;
mod known;
mod lanes;
mod lock;
mod look;
mod reload;
mod scheduler;
mod watch;
mod watchers;

pub use call::{CallError, Request, take_call};
pub use known::plan_of;
pub use lock::{DaemonLock, NotAlone};
pub use look::{Look, look};
pub use scheduler::{ReadProject, Scheduler, SchedulerParts, Until};
pub use watch::Watch;
pub use watchers::Saw;
