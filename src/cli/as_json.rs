//! Runs and tasks for programs.

use serde_json::{Value as Json, json};

use super::moment::utc;
use crate::daemon::trigger_word;
use crate::model::{FailureCause, Json as JsonText, Outcome, TaskState, Timestamp};
use crate::store::RunRow;

/// The value of a text that is JSON.
pub fn parsed(text: &JsonText) -> Json {
    serde_json::from_str(&text.0).unwrap_or(Json::Null)
}

fn moment(at: Option<Timestamp>) -> Json {
    at.map_or(Json::Null, |at| utc(at).into())
}

/// Seconds with milliseconds.
pub fn seconds(from: Timestamp, until: Timestamp) -> Json {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of days fit exactly"
    )]
    let seconds = (until - from).num_milliseconds() as f64 / 1000.0;
    seconds.into()
}

/// A run of a list. `interrupted`: its process is gone and it isn't over.
pub fn run(row: &RunRow, interrupted: bool) -> Json {
    let took = match (row.started, row.finished) {
        (Some(started), Some(finished)) => seconds(started, finished),
        _ => Json::Null,
    };
    json!({
        "id": row.id.as_str(),
        "dag": row.dag.as_str(),
        "state": row.state.as_str(),
        "interrupted": interrupted,
        "trigger": trigger_word(&row.trigger),
        "params": parsed(&row.params),
        "data_interval": { "start": utc(row.interval.start), "end": utc(row.interval.end) },
        "version": row.version,
        "created": utc(row.created),
        "started": moment(row.started),
        "finished": moment(row.finished),
        "seconds": took,
    })
}

/// The word of a task's state.
pub fn task_state(state: &TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "waiting",
        TaskState::Expanded { .. } => "running",
        TaskState::Ready => "ready",
        TaskState::Running { .. } => "running",
        TaskState::RetryWait { .. } => "retry_wait",
        TaskState::Finished { outcome, .. } => match outcome {
            Outcome::Success => "success",
            Outcome::Failed(_) => "failed",
            Outcome::Skipped => "skipped",
            Outcome::UpstreamFailed => "upstream_failed",
            Outcome::Cancelled => "cancelled",
        },
    }
}

/// Why something failed.
pub fn cause(cause: &FailureCause) -> Json {
    json!({ "kind": cause.kind, "message": cause.message })
}
