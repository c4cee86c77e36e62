//! Runs and tasks for programs.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::moment::utc;
use super::show_run::cause_of;
use crate::daemon::trigger_word;
use crate::model::{
    FailureCause, Json as JsonText, Outcome, TaskIndex, TaskState, Timestamp, TriggerKind,
};
use crate::spec::Pipeline;
use crate::store::{RunRow, TaskRunRow};

/// What a run was started for; null without something outside.
fn firing(trigger: &TriggerKind) -> Json {
    match trigger {
        TriggerKind::Event { source, detail } => {
            json!({ "source": source, "detail": parsed(detail) })
        }
        _ => Json::Null,
    }
}

/// What outside starts a DAG.
pub fn triggers(pipeline: &Pipeline) -> Vec<Json> {
    let triggers = pipeline.triggers.iter();
    triggers
        .map(|spec| json!({ "kind": spec.kind, "waits_for": spec.trigger.awaited() }))
        .collect()
}

/// The value of a text that is JSON.
fn parsed(text: &JsonText) -> Json {
    serde_json::from_str(&text.0).unwrap_or(Json::Null)
}

fn moment(at: Option<Timestamp>) -> Json {
    at.map_or(Json::Null, |at| utc(at).into())
}

/// Seconds with milliseconds.
fn seconds(from: Timestamp, until: Timestamp) -> Json {
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
        "firing": firing(&row.trigger),
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
        TaskState::Ready => "ready",
        TaskState::Running { .. } | TaskState::Expanded { .. } => "running",
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
fn cause(cause: &FailureCause) -> Json {
    json!({ "kind": cause.kind, "message": cause.message })
}

/// A run with its tasks, `names` by their index.
pub fn run_with_tasks(
    row: &RunRow,
    interrupted: bool,
    names: &[String],
    tasks: &[TaskRunRow],
) -> Json {
    let mut by_task: BTreeMap<TaskIndex, (Option<&TaskRunRow>, Vec<Json>)> = BTreeMap::new();
    for row in tasks {
        let (own, items) = by_task.entry(row.id.task).or_default();
        match row.id.item {
            None => *own = Some(row),
            Some(item) => {
                let mut json = task_run_json(Some(row));
                if let Json::Object(json) = &mut json {
                    json.shift_insert(0, "item".to_owned(), item.into());
                }
                items.push(json);
            }
        }
    }
    let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let tasks = (0..count).map(TaskIndex).map(|task| {
        let (own, items) = by_task.remove(&task).unwrap_or_default();
        let mut json = task_run_json(own);
        if let Json::Object(json) = &mut json {
            json.shift_insert(0, "task".to_owned(), names[task.get()].as_str().into());
            if !items.is_empty() {
                json.insert("items".to_owned(), items.into());
            }
        }
        json
    });
    let tasks: Vec<Json> = tasks.collect();
    let mut json = run(row, interrupted);
    if let Json::Object(json) = &mut json {
        json.insert("tasks".to_owned(), tasks.into());
    }
    json
}

fn task_run_json(row: Option<&TaskRunRow>) -> Json {
    let Some(row) = row else {
        return json!({ "state": "waiting", "attempts": 0 });
    };
    let finished = match &row.state {
        TaskState::Finished { at, .. } => Some(*at),
        _ => None,
    };
    let took = row.started.zip(finished);
    let result = row.result.as_ref();
    json!({
        "state": task_state(&row.state),
        "attempts": row.attempts,
        "generation": row.generation,
        "started": row.started.map(utc),
        "finished": finished.map(utc),
        "seconds": took.map(|(started, finished)| seconds(started, finished)),
        "cause": cause_of(row).map(cause),
        "outputs": result.map(|result| parsed(&result.outputs)),
        "dataset": result.and_then(|result| result.dataset.as_ref()).map(parsed),
        "metrics": result.and_then(|result| result.metrics.as_ref()).map(parsed),
    })
}
