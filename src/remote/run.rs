//! Runs as the API tells of them, read again: the rows that they were made of.

use serde::Deserialize;
use serde_json::Value as Json;

use super::{Refusal, Server};
use crate::model::{
    AttemptOutcome, AttemptResult, DagId, DataInterval, FailureCause, FailureKind,
    Json as JsonText, Outcome, RunId, RunState, TaskIndex, TaskRunId, TaskState, Timestamp,
    TriggerKind, check_name,
};
use crate::operate::dag::Dag;
use crate::operate::run::Known;
use crate::store::{Owner, RunRow, TaskRunRow};

/// `operate::shape::Run`, with the tasks where they are told.
#[derive(Debug, Deserialize)]
struct Run {
    id: RunId,
    dag: DagId,
    state: RunState,
    interrupted: bool,
    trigger: String,
    began_by: Option<String>,
    params: Json,
    data_interval: Interval,
    version: String,
    created: Timestamp,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
    #[serde(default)]
    tasks: Vec<Task>,
}

#[derive(Debug, Deserialize)]
struct Interval {
    start: Timestamp,
    end: Timestamp,
}

/// A task, or one item of its `foreach`.
#[derive(Debug, Deserialize)]
struct Task {
    #[serde(default, rename = "task")]
    name: String,
    item: Option<u32>,
    state: String,
    #[serde(default)]
    attempts: u32,
    generation: Option<u32>,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
    retry_at: Option<Timestamp>,
    item_count: Option<u32>,
    cause: Option<Cause>,
    outputs: Option<Json>,
    dataset: Option<Json>,
    metrics: Option<Json>,
    #[serde(default)]
    items: Vec<Self>,
}

#[derive(Debug, Deserialize)]
struct Cause {
    kind: FailureKind,
    message: String,
}

impl Server {
    /// A run with its tasks, as it is now.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn run(&self, id: &RunId) -> Result<(Known, Json), Refusal> {
        let json = self.get(&["runs", id.as_str()], &[]).await?;
        Ok((self.known(&json)?, json))
    }

    /// The run that a name means: an id, a part of one, `latest`, or a DAG.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn find(&self, name: &str) -> Result<RunRow, Refusal> {
        let json = self.get(&["find"], &[("name", name.to_owned())]).await?;
        Ok(self.known(&json)?.run)
    }

    /// A DAG as its file has it; `None`: there is none of this name.
    ///
    /// # Errors
    /// Its file has mistakes; [`Refusal`].
    pub async fn dag(&self, name: &str) -> Result<Option<Dag>, Refusal> {
        if check_name(name).is_err() {
            return Ok(None);
        }
        match self.get(&["dags", name], &[]).await {
            Ok(json) => self.read(&json).map(Some),
            Err(refusal) if refusal.is_missing() => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// A run that the server has told of.
    ///
    /// # Errors
    /// Its shape isn't known.
    pub fn known(&self, json: &Json) -> Result<Known, Refusal> {
        let run: Run = self.read(json)?;
        Ok(run.known())
    }
}

impl Run {
    fn known(self) -> Known {
        let text = |json: Json| JsonText(json.to_string().into());
        let began_by = self.began_by.unwrap_or_default();
        let trigger = match self.trigger.as_str() {
            "schedule" => TriggerKind::Schedule,
            "backfill" => TriggerKind::Backfill,
            "after" => TriggerKind::After { what: began_by },
            "dag" => {
                RunId::new(&began_by).map_or(TriggerKind::Manual, |run| TriggerKind::Dag { run })
            }
            "event" => TriggerKind::Event {
                source: began_by,
                detail: JsonText::null(),
            },
            _ => TriggerKind::Manual,
        };
        let mut names = Vec::with_capacity(self.tasks.len());
        let mut tasks = Vec::new();
        for (at, task) in (0..).map(TaskIndex).zip(self.tasks) {
            names.push(task.name.clone());
            task.rows(at, &mut tasks);
        }
        Known {
            run: RunRow {
                id: self.id,
                dag: self.dag,
                version: self.version,
                state: self.state,
                trigger,
                params: text(self.params),
                interval: DataInterval {
                    start: self.data_interval.start,
                    end: self.data_interval.end,
                },
                created: self.created,
                started: self.started,
                finished: self.finished,
                // Which process it is is of no concern elsewhere.
                owner: Owner(String::new()),
            },
            interrupted: self.interrupted,
            names,
            tasks,
        }
    }
}

impl Task {
    /// Its row and those of its items; none when nothing has happened to it.
    fn rows(mut self, task: TaskIndex, rows: &mut Vec<TaskRunRow>) {
        let items = std::mem::take(&mut self.items);
        let id = TaskRunId {
            task,
            item: self.item,
        };
        if let Some(generation) = self.generation {
            rows.push(TaskRunRow {
                id,
                generation,
                attempts: self.attempts,
                state: self.state(),
                started: self.started,
                result: self.result(),
            });
        }
        for item in items {
            item.rows(task, rows);
        }
    }

    fn failure(&self) -> FailureCause {
        match &self.cause {
            Some(cause) => FailureCause::new(cause.kind, cause.message.as_str()),
            None => FailureCause::new(FailureKind::Permanent, "no cause is known"),
        }
    }

    fn state(&self) -> TaskState {
        let outcome = match self.state.as_str() {
            "ready" => return TaskState::Ready,
            "running" => {
                return match (self.item_count, self.started) {
                    (Some(items), _) => TaskState::Expanded { items },
                    (None, Some(started)) => TaskState::Running {
                        started,
                        deadline: None,
                    },
                    (None, None) => TaskState::Ready,
                };
            }
            "retry_wait" => {
                let until = self.retry_at.unwrap_or(Timestamp::UNIX_EPOCH);
                return TaskState::RetryWait { until };
            }
            "success" => Outcome::Success,
            "failed" => Outcome::Failed(self.failure()),
            "skipped" => Outcome::Skipped,
            "upstream_failed" => Outcome::UpstreamFailed,
            "cancelled" => Outcome::Cancelled,
            _ => return TaskState::Waiting,
        };
        let at = self.finished.unwrap_or(Timestamp::UNIX_EPOCH);
        TaskState::Finished { outcome, at }
    }

    /// What its last attempt left, if one has ended.
    fn result(&self) -> Option<AttemptResult> {
        let text = |json: &Json| JsonText(json.to_string().into());
        let outcome = match self.state.as_str() {
            "success" => AttemptOutcome::Success,
            "skipped" => AttemptOutcome::Skipped,
            "cancelled" => AttemptOutcome::Cancelled,
            _ => AttemptOutcome::Failed {
                cause: self.failure(),
                retry_after: None,
            },
        };
        let left = [&self.outputs, &self.dataset, &self.metrics];
        if self.cause.is_none() && left.iter().all(|left| left.is_none()) {
            return None;
        }
        Some(AttemptResult {
            outcome,
            outputs: self.outputs.as_ref().map_or_else(JsonText::null, text),
            dataset: self.dataset.as_ref().map(text),
            metrics: self.metrics.as_ref().map(text),
        })
    }
}
