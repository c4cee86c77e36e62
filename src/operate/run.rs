//! How a run and its tasks stand, beyond what their rows say.

use std::path::Path;

use crate::daemon::is_alive;
use crate::model::{AttemptOutcome, FailureCause, Outcome, TaskState};
use crate::store::{RunRow, RunStore, StoreError, TaskRunRow};
use crate::task::Metrics;

/// A run as it is now, and whether it isn't over although the process that carried it out is gone.
///
/// # Errors
/// When the store can't be read.
pub async fn look_at(
    state: &Path,
    store: &dyn RunStore,
    run: RunRow,
) -> Result<(RunRow, bool), StoreError> {
    if run.state.is_finished() || is_alive(state, &run.owner) {
        return Ok((run, false));
    }
    // The process may have ended the run, and itself, since the run was read.
    let again = store.runs_by_id(std::slice::from_ref(&run.id)).await?;
    let now = again.into_iter().next().unwrap_or(run);
    let interrupted = !now.state.is_finished() && !is_alive(state, &now.owner);
    Ok((now, interrupted))
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

/// Why it failed, or why its last attempt did while the next one waits.
#[must_use]
pub fn cause_of(row: &TaskRunRow) -> Option<&FailureCause> {
    match (&row.state, &row.result) {
        (
            TaskState::Finished {
                outcome: Outcome::Failed(cause),
                ..
            },
            _,
        ) => Some(cause),
        (TaskState::RetryWait { .. }, Some(result)) => match &result.outcome {
            AttemptOutcome::Failed { cause, .. } => Some(cause),
            _ => None,
        },
        _ => None,
    }
}
