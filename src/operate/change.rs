//! What a person changes in a run.

use super::mistake::{Mistake, Trouble};
use crate::model::{FailureCause, FailureKind, Outcome, RunId, RunSpec, TaskIndex, TaskState};
use crate::operate::find;
use crate::store::{CommandKind, DagVersion, RunRow, RunStore, TaskRunRow};

/// The command that runs some tasks again with all that comes after them, or all that failed; and
/// the run's specification.
///
/// # Errors
/// Nothing failed; a task is unknown, or was left out of the run.
pub async fn retry(
    store: &dyn RunStore,
    run: &RunRow,
    version: &DagVersion,
    names: &[String],
) -> Result<(CommandKind, RunSpec), Trouble> {
    let tasks: Vec<TaskIndex> = names
        .iter()
        .map(|name| find::task(version, name))
        .collect::<Result<_, Mistake>>()?;
    if tasks.is_empty() && run.state.is_finished() {
        let ended = store.task_runs(&run.id).await?;
        if !ended.iter().any(failed) {
            let mistake = format!("nothing failed in run {} of {}", run.id, run.dag);
            return Err(Mistake::conflict(mistake)
                .help(format!(
                    "`runner retry {} TASK` runs a task again that didn't fail, and all that \
                     comes after it",
                    run.id
                ))
                .into());
        }
    }
    let stored = store.load(&run.id).await?;
    let spec = stored.map(|stored| stored.spec);
    let spec = spec.ok_or_else(|| Trouble::Other(format!("run {} is gone", run.id)))?;
    let left_out = |name: &&String| {
        let only = spec.only.as_ref();
        only.is_some_and(|only| !only.contains(*name))
    };
    if let Some(name) = names.iter().find(left_out) {
        let mistake = format!("task `{name}` was left out of run {}", run.id);
        return Err(Mistake::conflict(mistake)
            .help("`runner trigger --only` or `--from` makes a new run of it")
            .into());
    }
    Ok((CommandKind::Retry { tasks }, spec))
}

/// The command that runs one item of a `foreach` again, and what comes after its task; and the run's
/// specification.
///
/// # Errors
/// The task is unknown; it has no such item, or the item didn't fail.
pub async fn retry_item(
    store: &dyn RunStore,
    run: &RunRow,
    version: &DagVersion,
    name: &str,
    item: u32,
) -> Result<(CommandKind, RunSpec), Trouble> {
    let names = [name.to_owned()];
    let (_, spec) = retry(store, run, version, &names).await?;
    let task = find::task(version, name)?;
    let rows = store.task_runs(&run.id).await?;
    let own = rows
        .iter()
        .find(|row| row.id.task == task && row.id.item == Some(item));
    let Some(own) = own else {
        let mistake = format!("task `{name}` of run {} has no item {item}", run.id);
        return Err(Mistake::missing(mistake).into());
    };
    let group = rows
        .iter()
        .find(|row| row.id.task == task && row.id.item.is_none());
    let settled = group.is_some_and(|row| row.state.is_finished() && !has_failed(row));
    if !has_failed(own) || settled {
        let mistake = format!("item {item} of task `{name}` hasn't failed");
        return Err(Mistake::conflict(mistake)
            .help(format!(
                "`runner retry {} {name}` runs all of its items again",
                run.id
            ))
            .into());
    }
    Ok((CommandKind::RetryItem { task, item }, spec))
}

/// Whether a task failed. Items of a group that a person has marked are of no concern.
fn failed(row: &TaskRunRow) -> bool {
    row.id.item.is_none() && has_failed(row)
}

fn has_failed(row: &TaskRunRow) -> bool {
    matches!(
        &row.state,
        TaskState::Finished {
            outcome: Outcome::Failed(_) | Outcome::Cancelled | Outcome::UpstreamFailed,
            ..
        }
    )
}

/// The end of a task that a person says has failed.
#[must_use]
pub fn failed_by_person() -> Outcome {
    Outcome::Failed(FailureCause::new(
        FailureKind::Permanent,
        "marked as failed by a person",
    ))
}

/// Whether a task has ended so.
///
/// # Errors
/// When the store can't be read.
pub async fn is_so(
    store: &dyn RunStore,
    run: &RunId,
    task: TaskIndex,
    wanted: &Outcome,
) -> Result<bool, Trouble> {
    let rows = store.task_runs(run).await?;
    let own = rows
        .iter()
        .find(|row| row.id.task == task && row.id.item.is_none());
    Ok(matches!(
        own.map(|row| &row.state),
        Some(TaskState::Finished { outcome, .. })
            if std::mem::discriminant(outcome) == std::mem::discriminant(wanted)
    ))
}

/// A task that was to be marked, and isn't.
#[must_use]
pub fn unmarkable(task: &str, run: &RunId) -> Mistake {
    Mistake::conflict(format!(
        "task `{task}` of run {run} can't be marked: it has no part in this run, or the run is \
         being cancelled"
    ))
}
