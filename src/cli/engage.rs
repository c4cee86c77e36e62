//! What a person wants of a run, whoever carries it out.
//!
//! A run that is being carried out belongs to a living process: it is told through the store, and
//! its bell is rung. Every other run is given to the project's daemon or, without one, taken over by
//! this process, which then does what the other would have done.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::context::Context;
use crate::daemon::clock::{clock, now};
use crate::daemon::schedule::DaemonLock;
use crate::daemon::{Host, HostParts, News, OwnerLock, is_alive, ring};
use crate::model::{RunState, Timestamp};
use crate::spec::Project;
use crate::store::{CommandKind, Owner, RunRow, RunStore, StoredRun};

/// Turns in which a run may change its owner while we look at it.
const TURNS: usize = 8;
/// How long an owner may take to answer.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
/// Between two looks at what an owner has made of a command.
const LOOK: std::time::Duration = std::time::Duration::from_millis(20);

/// Who does what is wanted.
pub enum Engaged {
    /// The process that carries the run out, or will, has been told.
    Told(Owner),
    /// Nobody carried it out, and there is no daemon: it is this process's now.
    Taken(Box<Taken>),
}

/// A run that this process has taken over. [`Host::resume`] hears what is wanted of it.
pub struct Taken {
    pub host: Host,
    pub heard: UnboundedReceiver<News>,
    pub stored: StoredRun,
}

/// A host of this process, without runs.
pub fn host(
    context: &Context,
    project: &Arc<Project>,
    store: &Arc<dyn RunStore>,
) -> anyhow::Result<(Host, UnboundedReceiver<News>)> {
    let (news, heard) = unbounded_channel();
    let host = Host::new(HostParts {
        project: project.clone(),
        store: store.clone(),
        owner: OwnerLock::acquire(&context.places.state)?,
        clock: clock(),
        news,
    })?;
    Ok((host, heard))
}

/// Tells a run's process what is wanted, or takes the run over.
pub async fn engage(
    context: &Context,
    project: &Arc<Project>,
    store: &Arc<dyn RunStore>,
    run: &RunRow,
    wanted: &CommandKind,
) -> anyhow::Result<Engaged> {
    let state = &context.places.state;
    let mut run = run.clone();
    // Left first, and once: whoever has the run then, hears it when it takes the run up.
    store.put_command(&run.id, wanted, now()).await?;
    for _ in 0..TURNS {
        if !run.state.is_finished() && is_alive(state, &run.owner) {
            if ring(state, &run.owner)? {
                return Ok(Engaged::Told(run.owner));
            }
        } else if let Some(daemon) = DaemonLock::holder(state) {
            let given = store.adopt(&run.owner, &daemon, Some(&run.id)).await?;
            if !given.is_empty() && ring(state, &daemon)? {
                return Ok(Engaged::Told(daemon));
            }
        } else {
            let (host, heard) = host(context, project, store)?;
            let mut taken = store.adopt(&run.owner, host.owner(), Some(&run.id)).await?;
            if let Some(stored) = taken.pop() {
                return Ok(Engaged::Taken(Box::new(Taken {
                    host,
                    heard,
                    stored,
                })));
            }
        }
        run = reread(store.as_ref(), &run).await?;
    }
    anyhow::bail!("run {} passes from process to process: try again", run.id)
}

/// A run as it is now.
pub async fn reread(store: &dyn RunStore, run: &RunRow) -> anyhow::Result<RunRow> {
    let found = store.find_runs(run.id.as_str(), 1).await?;
    let mut found = found.into_iter().filter(|row| row.id == run.id);
    found
        .next()
        .ok_or_else(|| anyhow::anyhow!("run {} is gone", run.id))
}

/// Looks at a run until something holds. `false`: it doesn't after `patience`.
pub async fn until(
    store: &dyn RunStore,
    run: &RunRow,
    patience: std::time::Duration,
    holds: impl AsyncFn(&RunRow) -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let asked: Timestamp = now();
    loop {
        let row = reread(store, run).await?;
        if holds(&row).await? {
            return Ok(true);
        }
        let waited = (now() - asked).to_std().unwrap_or_default();
        if waited > patience {
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The state of a run now.
pub async fn state_of(store: &dyn RunStore, run: &RunRow) -> anyhow::Result<RunState> {
    Ok(reread(store, run).await?.state)
}
