//! Whoever looks outside for triggers, each in a task of its own.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{AbortHandle, JoinSet};

use crate::daemon::Control;
use crate::trigger::{Sight, Watch, WatchError};

/// What can't be looked at is looked at again after this, doubled each time up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);

/// What somebody saw.
#[derive(Debug)]
pub struct Saw {
    /// Who it was.
    pub(super) watcher: Watcher,
    pub(super) sight: Result<Sight, WatchError>,
}

/// The number of somebody who looks: never the same again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Watcher(u64);

/// All who look.
pub(super) struct Watchers {
    control: UnboundedSender<Control>,
    tasks: JoinSet<()>,
    begun: u64,
}

impl Watchers {
    /// Nobody yet. What is seen goes to `control`.
    pub(super) fn new(control: UnboundedSender<Control>) -> Self {
        Self {
            control,
            tasks: JoinSet::new(),
            begun: 0,
        }
    }

    /// A number for somebody who doesn't look, but is told.
    pub(super) fn number(&mut self) -> Watcher {
        self.begun += 1;
        Watcher(self.begun)
    }

    /// Somebody more who looks, until the handle ends it.
    pub(super) fn begin(&mut self, watch: Box<dyn Watch>) -> (Watcher, AbortHandle) {
        // Those who have ended leave nothing.
        while self.tasks.try_join_next().is_some() {}
        let watcher = self.number();
        let task = look_on(watch, watcher, self.control.clone());
        (watcher, self.tasks.spawn(task))
    }
}

async fn look_on(mut watch: Box<dyn Watch>, watcher: Watcher, control: UnboundedSender<Control>) {
    let mut pause = FIRST;
    loop {
        let sight = watch.look().await;
        let failed = sight.is_err();
        if control.send(Control::Saw(Saw { watcher, sight })).is_err() {
            return;
        }
        if failed {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        } else {
            pause = FIRST;
        }
    }
}
