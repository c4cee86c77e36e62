//! The state of runs, and the transitions between states.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{DagId, RunId, TaskIndex};

/// A moment, in UTC.
pub type Timestamp = DateTime<Utc>;

/// JSON text that the engine carries and never reads: parameters, outputs, items.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(pub Arc<str>);

impl Json {
    /// JSON's `null`.
    #[must_use]
    pub fn null() -> Self {
        Self("null".into())
    }
}

/// One thing to execute in a run: a task, or one item of its `foreach`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskRunId {
    pub task: TaskIndex,
    /// The item's place in its `foreach`; `None` for a plain task and for the group of all items.
    pub item: Option<u32>,
}

/// One attempt of one task run. `fence` grows with every attempt that is started for this task
/// run, by whomever: a result with an older number is refused. Its upper half is the generation, so
/// that it grows even where the items of an older generation were forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    pub run: RunId,
    pub task_run: TaskRunId,
    /// 0 at first; grows when a person clears the task; a retry keeps it.
    pub generation: u32,
    /// 1 for the first attempt of a generation; a lost attempt counts.
    pub number: u32,
    pub fence: u64,
}

/// Why an attempt failed, as far as it decides about another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Trying again may help: a connection refused, a deadlock.
    Retryable,
    /// Trying again can't help: a syntax error, a failed check.
    Permanent,
    /// It ran longer than its `timeout`.
    TimedOut,
    /// Its process ended without an answer.
    Lost,
}

/// A task's failure: data, not an `Err`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FailureCause {
    pub kind: FailureKind,
    /// What happened, for a person: lowercase, may have several lines.
    pub message: Arc<str>,
}

impl FailureCause {
    /// A cause from its kind and message.
    pub fn new(kind: FailureKind, message: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

/// How a task run ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Success,
    Failed(FailureCause),
    /// Its `if` was false, its `foreach` was empty, or its trigger rule can't hold any more
    /// because of something skipped.
    Skipped,
    /// Its trigger rule can't hold any more because of a failure.
    UpstreamFailed,
    Cancelled,
}

/// The state of a task run. See the diagram in `docs/engine.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Its trigger rule doesn't hold yet, or what it becomes (`if`, `foreach`) is being found out.
    Waiting,
    /// A group whose items run.
    Expanded {
        items: u32,
    },
    /// It may start when there is room.
    Ready,
    Running {
        started: Timestamp,
        /// When its `timeout` is over.
        deadline: Option<Timestamp>,
    },
    /// An attempt failed, the next starts at `until`.
    RetryWait {
        until: Timestamp,
    },
    Finished {
        outcome: Outcome,
        at: Timestamp,
    },
}

impl TaskState {
    /// Whether nothing will change it but a person.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Finished { .. })
    }
}

/// The state of a run, derived from its task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Accepted, nothing started yet.
    Queued,
    Running,
    /// Cancel was asked for; attempts are being ended.
    Cancelling,
    Success,
    Failed,
    Cancelled,
}

impl RunState {
    /// Whether the run has ended.
    #[must_use]
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }

    /// The word people see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a finished attempt leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptResult {
    pub outcome: AttemptOutcome,
    /// Small results for templates; JSON's `null` where there are none.
    pub outputs: Json,
    /// The records it left with the run, as JSON (`data::DatasetInfo`).
    pub dataset: Option<Json>,
    /// What it did in numbers, as JSON (`task::Metrics`); for people.
    pub metrics: Option<Json>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    Success,
    Failed {
        cause: FailureCause,
        /// How long the other side asked to be left alone (HTTP's `Retry-After`).
        retry_after: Option<Duration>,
    },
    /// It found that there was nothing to do.
    Skipped,
    Cancelled,
}

/// What a task run has used up of its chances. It begins anew when a person asks for another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Budget {
    /// Attempts that count against `retries`: those that failed.
    pub spent: u32,
    /// Attempts that a recovery found lost. They are in `spent` only when they are too many.
    pub losses: u32,
}

/// One change of a run, to be made durable before anybody acts on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Transition {
    Run {
        run: RunId,
        state: RunState,
        at: Timestamp,
    },
    /// A `foreach` became items: the task's own task run is [`TaskState::Expanded`] from now on,
    /// and its items, if it had some, are replaced by `0..items.len()`: all [`TaskState::Ready`],
    /// of this generation, without attempts. No [`Transition::Task`] repeats that.
    Expanded {
        run: RunId,
        task: TaskIndex,
        generation: u32,
        items: Vec<Json>,
        at: Timestamp,
    },
    /// A task run changed its state.
    Task {
        run: RunId,
        task_run: TaskRunId,
        /// When that of a group grows, its items are of the past.
        generation: u32,
        /// Attempts begun in this generation.
        attempts: u32,
        budget: Budget,
        fence: u64,
        state: TaskState,
        /// The attempt that ended with this transition, if one did.
        ended: Option<Ended>,
        at: Timestamp,
    },
}

/// An attempt that ended, for the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    pub number: u32,
    pub started: Timestamp,
    pub result: AttemptResult,
}

impl Transition {
    /// The run it belongs to.
    #[must_use]
    pub fn run(&self) -> &RunId {
        match self {
            Self::Run { run, .. } | Self::Expanded { run, .. } | Self::Task { run, .. } => run,
        }
    }
}

/// The half-open interval of data that a run is about: `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DataInterval {
    pub start: Timestamp,
    pub end: Timestamp,
}

/// What made a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// A person: `runner trigger`.
    Manual,
    Schedule,
    Backfill,
    /// All that it comes after is there: the names, such as `ingest, prices`.
    After {
        what: String,
    },
    /// Another run's task of kind `dag`.
    Dag {
        run: RunId,
    },
    /// Something that happened outside: a file, a message, a webhook.
    Event {
        /// For people, in one line: `file in/prices.csv`.
        source: String,
        /// For templates, as a JSON object.
        detail: Json,
    },
}

impl TriggerKind {
    /// Whether the run began by itself: the next one may depend on it.
    #[must_use]
    pub fn is_automatic(&self) -> bool {
        matches!(
            self,
            Self::Schedule | Self::After { .. } | Self::Event { .. }
        )
    }
}

/// A run as it was accepted: all that doesn't change afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    pub id: RunId,
    pub dag: DagId,
    /// Content hash of the DAG it is pinned to (64 hexadecimal digits of SHA-256).
    pub version: String,
    pub params: Json,
    pub interval: DataInterval,
    /// The scheduled time; for a manual run the time it was asked for.
    pub logical_time: Timestamp,
    pub trigger: TriggerKind,
    /// Seeds the jitter of its retries.
    pub seed: u64,
    /// Added to its tasks' own priority.
    pub priority: i32,
    /// Names of the tasks it is limited to (`--only`, `--from`); the others are skipped before
    /// it starts. `None`: all.
    pub only: Option<Vec<String>>,
    pub created: Timestamp,
}

/// A task run as the store knows it, for recovery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRunSnapshot {
    pub id: TaskRunId,
    pub generation: u32,
    /// Attempts begun in this generation.
    pub attempts: u32,
    pub budget: Budget,
    pub fence: u64,
    pub state: TaskState,
}
