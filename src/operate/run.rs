//! A run with its tasks, and what they did beyond what their rows say.

use std::path::Path;

use super::find;
use super::mistake::Trouble;
use crate::store::{RunRow, RunStore, TaskRunRow};
use crate::task::Metrics;

/// What is known of a run.
#[derive(Debug, Clone)]
pub struct Known {
    pub run: RunRow,
    /// It isn't over, and the process that carried it out is gone.
    pub interrupted: bool,
    /// Its tasks by their index.
    pub names: Vec<String>,
    pub tasks: Vec<TaskRunRow>,
}

impl Known {
    /// Reads all of a run, as it is now.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn read(state: &Path, store: &dyn RunStore, run: RunRow) -> Result<Self, Trouble> {
        let (run, interrupted) = find::look_at(state, store, run).await?;
        let version = find::version(store, &run).await?;
        let tasks = store.task_runs(&run.id).await?;
        Ok(Self {
            run,
            interrupted,
            names: version.tasks,
            tasks,
        })
    }
}

/// What a task did, in numbers.
#[must_use]
pub fn metrics(row: &TaskRunRow) -> Metrics {
    let metrics = row
        .result
        .as_ref()
        .and_then(|result| result.metrics.as_ref());
    metrics
        .and_then(|metrics| serde_json::from_str(&metrics.0).ok())
        .unwrap_or_default()
}
