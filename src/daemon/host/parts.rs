//! What goes into a host and comes out of it.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::children::Wish;
use crate::daemon::owner::OwnerLock;
use crate::daemon::schedule::Saw;
use crate::daemon::scope::RunValues;
use crate::model::{AttemptId, DatasetId, RunId, RunSpec, RunState, Timestamp, Transition};
use crate::spec::{Pipeline, Project};
use crate::store::RunStore;
use crate::task::{Clock, Progress};

/// What a host is made of.
pub struct HostParts {
    pub project: Arc<Project>,
    pub store: Arc<dyn RunStore>,
    pub owner: OwnerLock,
    pub clock: Clock,
    /// Hears what happens, for whoever shows it.
    pub news: UnboundedSender<News>,
}

/// What a host may be told from its own process.
#[derive(Debug)]
pub enum Control {
    /// A person wants a run to end now.
    Cancel(RunId),
    /// All runs are to end now.
    CancelAll,
    /// Somebody saw what is outside.
    Saw(Saw),
    /// The project's files may have changed.
    Reload,
    /// Whoever watches over this process wants a sign of life.
    Alive,
    /// Nothing is to be started any more; what runs may end. Said again: it may not.
    Drain,
    /// An attempt wants something of another run.
    Wish(Wish),
}

/// What happens, told after it is durable.
#[derive(Debug, Clone)]
pub enum News {
    /// A run was taken up.
    Run {
        spec: Arc<RunSpec>,
        pipeline: Arc<Pipeline>,
    },
    /// A state changed.
    Changed(Transition),
    /// An attempt was started.
    Started {
        attempt: AttemptId,
        progress: Arc<Progress>,
    },
    /// The store can't be written; the host waits. `None`: it can be again.
    Store(Option<String>),
}

/// A run to take up, and the version it is pinned to.
pub struct NewRun {
    pub spec: RunSpec,
    pub pipeline: Arc<Pipeline>,
}

/// A run that is here.
pub(super) struct Held {
    pub(super) spec: Arc<RunSpec>,
    /// The project as it was when the run began: an edit changes no run in flight.
    pub(super) project: Arc<Project>,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) values: RunValues,
    /// It was begun by another process, or at another time.
    pub(super) taken_up: bool,
    /// It goes on until it is stopped.
    pub(super) is_stream: bool,
}

/// What a host has been told that isn't about a run.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Told {
    /// Files may have changed.
    pub(in crate::daemon) reload: bool,
    /// A person wants everything to end.
    pub(in crate::daemon) cancelled: bool,
    /// What runs may not even end any more.
    pub(in crate::daemon) hurry: bool,
    /// The bell was rung: there may be more in the store than commands.
    pub(in crate::daemon) belled: bool,
    /// Runs that have begun, and runs that have ended.
    pub(in crate::daemon) began: Vec<Arc<RunSpec>>,
    pub(in crate::daemon) ended: Vec<(Arc<RunSpec>, RunState, Timestamp)>,
    /// What was seen outside.
    pub(in crate::daemon) saw: Vec<Saw>,
    /// Datasets that a task which has succeeded writes.
    pub(in crate::daemon) wrote: Vec<(Arc<RunSpec>, DatasetId, Timestamp)>,
}
