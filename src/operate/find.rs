//! Runs and tasks by their names.

use std::path::Path;

use super::engage::reread;
use super::mistake::{Mistake, Trouble, unknown};
use super::moment;
use crate::daemon::is_alive;
use crate::document::nearest;
use crate::model::{DagId, RunId, TaskIndex, Timestamp};
use crate::store::{DagVersion, RunFilter, RunRow, RunStore};

/// The word for the latest run of all.
const LATEST: &str = "latest";
/// So many candidates of an ambiguous name are listed.
const CANDIDATES: u32 = 8;

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
    task_of(&version.tasks, name)
}

/// A task by its name, of all names by their index.
///
/// # Errors
/// There is none, with the nearest name.
pub fn task_of(names: &[String], name: &str) -> Result<TaskIndex, Mistake> {
    let at = names.iter().position(|task| task == name);
    at.and_then(|at| u32::try_from(at).ok())
        .map(TaskIndex)
        .ok_or_else(|| {
            let known = names.iter().map(String::as_str);
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

/// The latest run of a DAG as it is now, and whether it was interrupted; `None` when it has none.
///
/// # Errors
/// When the store can't be read.
pub async fn latest_of(
    state: &Path,
    store: &dyn RunStore,
    dag: &DagId,
) -> Result<Option<(RunRow, bool)>, Trouble> {
    match newest(store, Some(dag.clone())).await? {
        Some(row) => look_at(state, store, row).await.map(Some),
        None => Ok(None),
    }
}

/// The newest run of a DAG, or of all.
async fn newest(store: &dyn RunStore, dag: Option<DagId>) -> Result<Option<RunRow>, Trouble> {
    let newest = RunFilter {
        dag,
        limit: 1,
        ..RunFilter::default()
    };
    Ok(store.runs(&newest).await?.pop())
}

/// Why a name means no run, with what may be meant; `dags` are the names of all DAGs.
///
/// # Errors
/// When the store can't be read.
pub async fn no_run(store: &dyn RunStore, name: &str, dags: &[&str]) -> Result<Mistake, Trouble> {
    if name == LATEST {
        let trigger = dags.first().unwrap_or(&"NAME");
        return Ok(Mistake::missing("there is no run yet")
            .help(format!("`runner trigger {trigger}` makes one")));
    }
    if dags.contains(&name) {
        return Ok(Mistake::missing(format!("DAG `{name}` has no run yet"))
            .help(format!("`runner trigger {name}` makes one")));
    }
    let latest = RunFilter {
        limit: 100,
        ..RunFilter::default()
    };
    let runs = store.runs(&latest).await?;
    let ids = runs.iter().map(|run| run.id.as_str());
    let known = dags.iter().copied().chain(ids).chain([LATEST]);
    let known: Vec<&str> = known.collect();
    let near = nearest(name, known.iter().copied());
    let longer = || known.iter().copied().find(|known| known.contains(name));
    Ok(match near.or_else(longer) {
        Some(near) => Mistake::missing(format!("there is no run or DAG `{name}`"))
            .help(format!("did you mean `{near}`?")),
        None => Mistake::missing(format!("there is no run or DAG `{name}`"))
            .help("`runner runs` lists the runs, `runner list` the DAGs"),
    })
}

/// The run that a name means: an id, a unique part of one, `latest`, or a DAG, whose latest run it
/// is then. `None` when the name means nothing that has run.
///
/// # Errors
/// A mistake when it is ambiguous; the store can't be read.
pub async fn run_if_any(
    store: &dyn RunStore,
    name: &str,
    now: Timestamp,
) -> Result<Option<RunRow>, Trouble> {
    if name == LATEST {
        return newest(store, None).await;
    }
    let Ok(dag) = DagId::new(name) else {
        return Ok(None);
    };
    if let Some(row) = newest(store, Some(dag)).await? {
        return Ok(Some(row));
    }
    let mut found = store
        .find_runs(&name.to_lowercase(), CANDIDATES + 1)
        .await?;
    if found.len() <= 1 {
        return Ok(found.pop());
    }
    let more = found.len() > CANDIDATES as usize;
    found.truncate(CANDIDATES as usize);
    let mut lines: Vec<String> = found
        .iter()
        .map(|row| {
            let age = moment::short(row.created, now);
            format!("\n    {}  {}  {}  {age}", row.id, row.dag, row.state)
        })
        .collect();
    if more {
        lines.push("\n    …".to_owned());
    }
    Err(
        Mistake::new(format!("`{name}` is a part of several runs' ids"))
            .help(format!("type more of one of them:{}", lines.concat()))
            .into(),
    )
}
