//! What attempts have logged: found by what the store knows of them, never by a path that somebody
//! names.

use std::path::{Path, PathBuf};

use super::mistake::Trouble;
use crate::model::{AttemptId, TaskId, TaskIndex, TaskRunId, TaskState, Timestamp};
use crate::store::{DagVersion, RunRow, RunStore, TaskRunRow};
use crate::task::log_path;

/// Which logs of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Logs {
    /// Only this task's.
    pub task: Option<TaskIndex>,
    /// Only this item's.
    pub item: Option<u32>,
    /// This attempt's; without it the last one's.
    pub attempt: Option<u32>,
}

/// A log of one attempt.
#[derive(Debug, Clone)]
pub struct LogFile {
    pub path: PathBuf,
    pub id: TaskRunId,
    pub task: String,
    pub attempt: u32,
    pub generation: u32,
    /// Nothing in it is older.
    pub started: Timestamp,
    /// Nothing comes any more: the attempt has ended.
    pub ended: bool,
}

/// The logs of a run, in the order of its tasks.
///
/// # Errors
/// When the store can't be read.
pub async fn files(
    state: &Path,
    store: &dyn RunStore,
    run: &RunRow,
    version: &DagVersion,
    chosen: Logs,
) -> Result<Vec<LogFile>, Trouble> {
    let rows = store.task_runs(&run.id).await?;
    Ok(of_rows(state, run, &version.tasks, &rows, chosen))
}

/// The same, of a run whose tasks are known: `names` by their index.
#[must_use]
pub fn of_rows(
    state: &Path,
    run: &RunRow,
    names: &[String],
    rows: &[TaskRunRow],
    chosen: Logs,
) -> Vec<LogFile> {
    let rows = rows.iter().filter(|row| {
        row.attempts > 0
            && chosen.task.is_none_or(|task| task == row.id.task)
            && (chosen.item.is_none() || row.id.item == chosen.item)
    });
    let mut files = Vec::new();
    for row in rows {
        let attempt = chosen.attempt.unwrap_or(row.attempts);
        if attempt == 0 || attempt > row.attempts {
            continue;
        }
        let name = names.get(row.id.task.get());
        let Some(task) = name.and_then(|name| TaskId::new(name).ok()) else {
            continue;
        };
        let id = AttemptId {
            run: run.id.clone(),
            task_run: row.id,
            generation: row.generation,
            number: attempt,
            fence: 0,
        };
        let runs = matches!(row.state, TaskState::Running { .. }) && attempt == row.attempts;
        files.push(LogFile {
            path: state.join(log_path(&id, &task)),
            id: row.id,
            task: task.to_string(),
            attempt,
            generation: row.generation,
            started: row.started.unwrap_or(run.created),
            ended: !runs,
        });
    }
    files
}
