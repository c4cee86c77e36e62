//! What a person wants of a run, whoever carries it out.
//!
//! A run that is being carried out belongs to a living process: it is told through the store, and
//! its bell is rung. Every other run is given to the project's daemon or, without one, taken over by
//! this process, which then does what the other would have done.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::mistake::{Mistake, Trouble};
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
///
/// # Errors
/// When the state folder can't be written.
pub fn host(
    state: &Path,
    project: &Arc<Project>,
    store: &Arc<dyn RunStore>,
) -> Result<(Host, UnboundedReceiver<News>), Trouble> {
    let (news, heard) = unbounded_channel();
    let host = Host::new(HostParts {
        project: project.clone(),
        store: store.clone(),
        owner: OwnerLock::acquire(state)?,
        clock: clock(),
        news,
    })?;
    Ok((host, heard))
}

/// What one look at who has a run has led to.
enum Turn {
    /// Whoever has it now, or from now on, has been told.
    Told(Owner),
    /// Nobody carries it out, and there is no daemon.
    Nobody,
    /// It has another owner meanwhile.
    Passed,
}

/// Rings for what was left for a run: the process that carries it out, or the daemon, which gets it.
async fn turn(state: &Path, store: &dyn RunStore, run: &RunRow) -> Result<Turn, Trouble> {
    if !run.state.is_finished() && is_alive(state, &run.owner) {
        if ring(state, &run.owner)? {
            return Ok(Turn::Told(run.owner.clone()));
        }
    } else if let Some(daemon) = DaemonLock::holder(state) {
        let given = store.adopt(&run.owner, &daemon, Some(&run.id)).await?;
        if !given.is_empty() && ring(state, &daemon)? {
            return Ok(Turn::Told(daemon));
        }
    } else {
        return Ok(Turn::Nobody);
    }
    Ok(Turn::Passed)
}

/// Tells a run's process what is wanted, or the daemon; this process takes nothing over.
///
/// # Errors
/// Nobody is there who could do it, and then it isn't left for anybody either; the store or the
/// bells fail.
pub async fn tell(
    state: &Path,
    store: &dyn RunStore,
    run: &RunRow,
    wanted: &CommandKind,
    now: Timestamp,
) -> Result<Owner, Trouble> {
    let is_carried = !run.state.is_finished() && is_alive(state, &run.owner);
    if !is_carried && DaemonLock::holder(state).is_none() {
        return Err(Mistake::nobody().into());
    }
    store.put_command(&run.id, wanted, now).await?;
    let mut run = run.clone();
    for _ in 0..TURNS {
        match turn(state, store, &run).await? {
            Turn::Told(owner) => return Ok(owner),
            Turn::Nobody => return Err(Mistake::nobody().into()),
            Turn::Passed => run = reread(store, &run).await?,
        }
    }
    Err(passes(&run))
}

/// Tells a run's process what is wanted, or takes the run over.
///
/// # Errors
/// When the store, the bells or the state folder fail.
pub async fn engage(
    state: &Path,
    project: &Arc<Project>,
    store: &Arc<dyn RunStore>,
    run: &RunRow,
    wanted: &CommandKind,
) -> Result<Engaged, Trouble> {
    let mut run = run.clone();
    // Left first, and once: whoever has the run then, hears it when it takes the run up.
    store.put_command(&run.id, wanted, now()).await?;
    for _ in 0..TURNS {
        match turn(state, store.as_ref(), &run).await? {
            Turn::Told(owner) => return Ok(Engaged::Told(owner)),
            Turn::Nobody => {
                let (host, heard) = host(state, project, store)?;
                let mut taken = store.adopt(&run.owner, host.owner(), Some(&run.id)).await?;
                if let Some(stored) = taken.pop() {
                    return Ok(Engaged::Taken(Box::new(Taken {
                        host,
                        heard,
                        stored,
                    })));
                }
            }
            Turn::Passed => {}
        }
        run = reread(store.as_ref(), &run).await?;
    }
    Err(passes(&run))
}

fn passes(run: &RunRow) -> Trouble {
    Trouble::Other(format!(
        "run {} passes from process to process: try again",
        run.id
    ))
}

/// A run as it is now.
///
/// # Errors
/// It is gone; the store can't be read.
pub async fn reread(store: &dyn RunStore, run: &RunRow) -> Result<RunRow, Trouble> {
    let mut found = store.runs_by_id(std::slice::from_ref(&run.id)).await?;
    found
        .pop()
        .ok_or_else(|| Trouble::Other(format!("run {} is gone", run.id)))
}

/// Looks at a run until something holds. `false`: it doesn't after `patience`.
///
/// # Errors
/// It is gone; the store can't be read.
pub async fn until(
    store: &dyn RunStore,
    run: &RunRow,
    patience: std::time::Duration,
    holds: impl AsyncFn(&RunRow) -> Result<bool, Trouble>,
) -> Result<bool, Trouble> {
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

/// Waits until a command was heard. `false`: it wasn't after `patience`.
///
/// # Errors
/// The run is gone; the store can't be read.
pub async fn heard(
    store: &dyn RunStore,
    run: &RunRow,
    wanted: &CommandKind,
    patience: std::time::Duration,
) -> Result<bool, Trouble> {
    let asked = now();
    loop {
        let row = reread(store, run).await?;
        let left = store.commands(&row.owner).await?;
        let mut left = left.iter();
        if !left.any(|left| left.run == row.id && left.kind == *wanted) {
            return Ok(true);
        }
        if (now() - asked).to_std().unwrap_or_default() > patience {
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The state of a run now.
///
/// # Errors
/// It is gone; the store can't be read.
pub async fn state_of(store: &dyn RunStore, run: &RunRow) -> Result<RunState, Trouble> {
    Ok(reread(store, run).await?.state)
}
