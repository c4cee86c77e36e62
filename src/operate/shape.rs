//! Runs and tasks for programs: what `--format json` prints and the API answers.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::moment::utc;
use crate::daemon::trigger_word;
use crate::model::{
    AttemptOutcome, DataInterval, FailureCause, Json as JsonText, Outcome, TaskIndex, TaskState,
    Timestamp, TriggerKind,
};
use crate::store::{AttemptRow, RunRow, TaskRunRow};

/// The value of a text that is JSON.
fn parsed(text: &JsonText) -> Json {
    serde_json::from_str(&text.0).unwrap_or(Json::Null)
}

/// Seconds with milliseconds.
fn seconds(from: Timestamp, until: Timestamp) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of days fit exactly"
    )]
    let milliseconds = (until - from).num_milliseconds() as f64;
    milliseconds / 1000.0
}

/// From when to when the data of a run are.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Interval {
    /// The first moment, UTC.
    pub start: String,
    /// The first moment after it, UTC.
    pub end: String,
}

impl From<DataInterval> for Interval {
    fn from(interval: DataInterval) -> Self {
        Self {
            start: utc(interval.start),
            end: utc(interval.end),
        }
    }
}

/// A run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Run {
    pub id: String,
    pub dag: String,
    /// `queued`, `running`, `cancelling`, `success`, `failed` or `cancelled`.
    pub state: &'static str,
    /// It isn't over, and the process that carried it out is gone.
    pub interrupted: bool,
    /// What began it: `manual`, `schedule`, `backfill`, `after`, `dag` or `event`.
    pub trigger: &'static str,
    /// What exactly: the run whose task asked for it, the names that it came after, what happened
    /// outside.
    pub began_by: Option<String>,
    pub params: Json,
    pub data_interval: Interval,
    /// SHA-256 of the files that define it.
    pub version: String,
    pub created: String,
    pub started: Option<String>,
    pub finished: Option<String>,
    /// How long it took, when it is over.
    pub seconds: Option<f64>,
}

impl Run {
    /// A run of a list. `interrupted`: its process is gone and it isn't over.
    #[must_use]
    pub fn new(row: &RunRow, interrupted: bool) -> Self {
        Self {
            id: row.id.to_string(),
            dag: row.dag.to_string(),
            state: row.state.as_str(),
            interrupted,
            trigger: trigger_word(&row.trigger),
            began_by: match &row.trigger {
                TriggerKind::Dag { run } => Some(run.to_string()),
                TriggerKind::After { what } => Some(what.clone()),
                TriggerKind::Event { source, .. } => Some(source.clone()),
                TriggerKind::Manual | TriggerKind::Schedule | TriggerKind::Backfill => None,
            },
            params: parsed(&row.params),
            data_interval: row.interval.into(),
            version: row.version.clone(),
            created: utc(row.created),
            started: row.started.map(utc),
            finished: row.finished.map(utc),
            seconds: row
                .started
                .zip(row.finished)
                .map(|(started, finished)| seconds(started, finished)),
        }
    }

    /// As a value.
    #[must_use]
    pub fn json(&self) -> Json {
        serde_json::to_value(self).unwrap_or(Json::Null)
    }
}

/// A run with its tasks.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunWithTasks {
    #[serde(flatten)]
    pub run: Run,
    /// In the order in which they can run.
    pub tasks: Vec<Task>,
}

impl RunWithTasks {
    /// As a value.
    #[must_use]
    pub fn json(&self) -> Json {
        serde_json::to_value(self).unwrap_or(Json::Null)
    }
}

/// A task of a run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Task {
    pub task: String,
    #[serde(flatten)]
    pub fate: TaskFate,
    /// What its `foreach` has become.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub items: Vec<Item>,
}

/// One item of a task's `foreach`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Item {
    pub item: u32,
    #[serde(flatten)]
    pub fate: TaskFate,
}

/// What has become of a task, or of one of its items.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TaskFate {
    /// `waiting`, `ready`, `running`, `retry_wait`, `success`, `failed`, `skipped`,
    /// `upstream_failed` or `cancelled`.
    pub state: &'static str,
    /// How often it was tried.
    pub attempts: u32,
    #[serde(flatten)]
    pub known: TaskKnown,
}

/// What is known of a task; nothing, when nothing has happened to it.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct TaskKnown {
    /// Counts how often a person has asked for it again.
    pub generation: Option<u32>,
    pub started: Option<String>,
    pub finished: Option<String>,
    pub seconds: Option<f64>,
    /// When it is tried again, in the state `retry_wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
    /// How many items its `foreach` has become, while they run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_count: Option<u32>,
    /// Why it failed.
    pub cause: Option<Cause>,
    /// Small results, for templates.
    pub outputs: Option<Json>,
    /// The records that it left.
    pub dataset: Option<Json>,
    /// What it did, in numbers.
    pub metrics: Option<Json>,
}

/// Why something failed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Cause {
    /// `retryable`, `permanent`, `timed_out` or `lost`.
    pub kind: String,
    pub message: String,
}

impl From<&FailureCause> for Cause {
    fn from(cause: &FailureCause) -> Self {
        let kind = serde_json::to_value(cause.kind).ok();
        let kind = kind.and_then(|kind| kind.as_str().map(str::to_owned));
        Self {
            kind: kind.unwrap_or_default(),
            message: cause.message.to_string(),
        }
    }
}

/// An attempt that has ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Attempt {
    pub task: String,
    /// The item of a `foreach`.
    pub item: Option<u32>,
    pub generation: u32,
    pub attempt: u32,
    pub started: String,
    pub finished: String,
    pub seconds: f64,
    /// `success`, `failed`, `skipped` or `cancelled`.
    pub outcome: &'static str,
    pub cause: Option<Cause>,
    pub outputs: Json,
    pub dataset: Option<Json>,
    pub metrics: Option<Json>,
}

impl Attempt {
    /// An attempt; `names` of the tasks by their index.
    #[must_use]
    pub fn new(row: &AttemptRow, names: &[String]) -> Self {
        let (outcome, cause) = match &row.result.outcome {
            AttemptOutcome::Success => ("success", None),
            AttemptOutcome::Failed { cause, .. } => ("failed", Some(cause)),
            AttemptOutcome::Skipped => ("skipped", None),
            AttemptOutcome::Cancelled => ("cancelled", None),
        };
        let name = names.get(row.id.task.get());
        Self {
            task: name.cloned().unwrap_or_default(),
            item: row.id.item,
            generation: row.generation,
            attempt: row.number,
            started: utc(row.started),
            finished: utc(row.finished),
            seconds: seconds(row.started, row.finished),
            outcome,
            cause: cause.map(Cause::from),
            outputs: parsed(&row.result.outputs),
            dataset: row.result.dataset.as_ref().map(parsed),
            metrics: row.result.metrics.as_ref().map(parsed),
        }
    }
}

/// The word of a task's state.
#[must_use]
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

/// A run with its tasks, `names` by their index.
#[must_use]
pub fn run_with_tasks(
    row: &RunRow,
    interrupted: bool,
    names: &[String],
    tasks: &[TaskRunRow],
) -> RunWithTasks {
    let mut by_task: BTreeMap<TaskIndex, (Option<&TaskRunRow>, Vec<Item>)> = BTreeMap::new();
    for row in tasks {
        let (own, items) = by_task.entry(row.id.task).or_default();
        match row.id.item {
            None => *own = Some(row),
            Some(item) => items.push(Item {
                item,
                fate: TaskFate::of(Some(row)),
            }),
        }
    }
    let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let tasks = (0..count).map(TaskIndex).map(|task| {
        let (own, items) = by_task.remove(&task).unwrap_or_default();
        Task {
            task: names[task.get()].clone(),
            fate: TaskFate::of(own),
            items,
        }
    });
    RunWithTasks {
        tasks: tasks.collect(),
        run: Run::new(row, interrupted),
    }
}

impl TaskFate {
    fn of(row: Option<&TaskRunRow>) -> Self {
        let Some(row) = row else {
            return Self {
                state: "waiting",
                attempts: 0,
                known: TaskKnown::default(),
            };
        };
        let finished = match &row.state {
            TaskState::Finished { at, .. } => Some(*at),
            _ => None,
        };
        let took = row.started.zip(finished);
        let result = row.result.as_ref();
        Self {
            state: task_state(&row.state),
            attempts: row.attempts,
            known: TaskKnown {
                generation: Some(row.generation),
                started: row.started.map(utc),
                finished: finished.map(utc),
                seconds: took.map(|(started, finished)| seconds(started, finished)),
                retry_at: match &row.state {
                    TaskState::RetryWait { until } => Some(utc(*until)),
                    _ => None,
                },
                item_count: match &row.state {
                    TaskState::Expanded { items } => Some(*items),
                    _ => None,
                },
                cause: cause_of(row).map(Cause::from),
                outputs: result.map(|result| parsed(&result.outputs)),
                dataset: result
                    .and_then(|result| result.dataset.as_ref())
                    .map(parsed),
                metrics: result
                    .and_then(|result| result.metrics.as_ref())
                    .map(parsed),
            },
        }
    }
}

/// Why a task failed, or its last attempt when it will be tried again.
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
