//! Runs and tasks by their names.

use std::path::Path;

use super::engage::reread;
use super::mistake::{Mistake, Trouble, unknown};
use crate::daemon::is_alive;
use crate::model::{RunId, TaskIndex};
use crate::store::{DagVersion, RunRow, RunStore};

/// A run by its whole id.
///
/// # Errors
/// There is none; the store can't be read.
pub async fn run_of_id(store: &dyn RunStore, id: &str) -> Result<RunRow, Trouble> {
    let missing = || Mistake::missing(format!("run `{id}` doesn't exist"));
    let id = RunId::new(id).map_err(|_| missing())?;
    let mut found = store.runs_by_id(&[id]).await?;
    Ok(found.pop().ok_or_else(missing)?)
}

/// The version that a run is pinned to.
///
/// # Errors
/// When the store can't be read.
pub async fn version(store: &dyn RunStore, run: &RunRow) -> Result<DagVersion, Trouble> {
    let version = store.version(&run.version).await?;
    version
        .ok_or_else(|| Trouble::Other(format!("the version of run {} isn't in the store", run.id)))
}

/// A task of a run by its name.
///
/// # Errors
/// There is none, with the nearest name.
pub fn task(version: &DagVersion, name: &str) -> Result<TaskIndex, Mistake> {
    let at = version.tasks.iter().position(|task| task == name);
    at.and_then(|at| u32::try_from(at).ok())
        .map(TaskIndex)
        .ok_or_else(|| {
            let known = version.tasks.iter().map(String::as_str);
            unknown("task", name, known)
        })
}

/// A run as it is now, and whether it isn't over although the process that carried it out is gone.
///
/// # Errors
/// When the store can't be read.
pub async fn look_at(
    state: &Path,
    store: &dyn RunStore,
    run: RunRow,
) -> Result<(RunRow, bool), Trouble> {
    if run.state.is_finished() || is_alive(state, &run.owner) {
        return Ok((run, false));
    }
    // The process may have ended the run, and itself, since the run was read.
    let now = reread(store, &run).await?;
    let interrupted = !now.state.is_finished() && !is_alive(state, &now.owner);
    Ok((now, interrupted))
}
