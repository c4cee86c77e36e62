//! Why the tasks of a run don't run, or how they ended: asked of the engine itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::mistake::{Mistake, Trouble};
use super::words::{list, plural};
use super::{moment, shape};
use crate::daemon::schedule::DaemonLock;
use crate::document::units::format_duration;
use crate::engine::{EndedBy, Engine, Why as Reason};
use crate::model::{
    FailureKind, Outcome, RunId, RunSpec, TaskIndex, TaskRunId, TaskState, Timestamp,
};
use crate::spec::{Pipeline, Project};
use crate::store::{Owner, RunRow, RunStore, TaskRunRow};

/// What a run is asked with.
pub struct Asked {
    engine: Engine,
    spec: RunSpec,
    pub row: RunRow,
    /// Its process is gone and it isn't over.
    pub interrupted: bool,
    pipeline: Arc<Pipeline>,
    rows: BTreeMap<TaskRunId, TaskRunRow>,
    /// Other runs of the same process, with their DAGs' tasks.
    others: BTreeMap<RunId, Arc<Pipeline>>,
    carrier: String,
    daemon: Option<Owner>,
    now: Timestamp,
}

/// A task run and its reason.
pub struct Line {
    pub id: TaskRunId,
    pub state: TaskState,
    pub reason: String,
}

impl Asked {
    /// Asks the engine, as the run's process has it.
    ///
    /// # Errors
    /// The run's definition can't be read any more; the store can't be.
    pub async fn read(
        project: &Project,
        store: &dyn RunStore,
        (row, interrupted): (RunRow, bool),
        now: Timestamp,
    ) -> Result<Self, Trouble> {
        let mut engine = Engine::new(&project.settings.limits);
        let mut others = BTreeMap::new();
        let mut own = None;
        let unfinished = store.owners().await?;
        let together = unfinished
            .into_iter()
            .filter(|(owner, run, _)| *owner == row.owner && *run != row.id);
        // Its pools are shared with all that the same process carries out.
        let runs: Vec<RunId> = together.map(|(_, run, _)| run).collect();
        for run in std::iter::once(row.id.clone()).chain(runs) {
            let Some(stored) = store.load(&run).await? else {
                continue;
            };
            let Some(version) = store.version(&stored.spec.version).await? else {
                continue;
            };
            let pipeline = match project.pinned(&version) {
                Ok(pipeline) => pipeline,
                Err(reason) if run == row.id => {
                    return Err(Mistake::conflict(format!("run {run}: {reason}")).into());
                }
                Err(_) => continue,
            };
            let spec = Arc::new(stored.spec);
            let loaded = (spec.clone(), pipeline.dag.clone());
            engine.observe(now, loaded, stored.state, stored.tasks);
            if run == row.id {
                own = Some((spec, pipeline.clone()));
            }
            others.insert(run, pipeline);
        }
        let Some((spec, pipeline)) = own else {
            return Err(Trouble::Other(format!("run {} is gone", row.id)));
        };
        let daemon = DaemonLock::holder(&project.places.state);
        let process = row.owner.0.split('-').next().unwrap_or_default().to_owned();
        let carrier = if daemon.as_ref() == Some(&row.owner) {
            format!("the daemon, process {process}")
        } else {
            format!("process {process}")
        };
        let rows = store.task_runs(&row.id).await?;
        Ok(Self {
            engine,
            spec: (*spec).clone(),
            interrupted,
            pipeline,
            rows: rows.into_iter().map(|row| (row.id, row)).collect(),
            others,
            carrier,
            daemon,
            now,
            row,
        })
    }

    /// A task's name.
    #[must_use]
    pub fn name(&self, task: TaskIndex) -> &str {
        self.pipeline.dag.task(task).id.as_str()
    }

    fn names(&self, tasks: &[TaskIndex]) -> String {
        list(tasks.iter().map(|task| self.name(*task)))
    }

    fn line(&self, id: TaskRunId) -> Option<Line> {
        let state = self.engine.task_state(&self.row.id, id)?;
        let reason = self.reason(id, &state);
        Some(Line { id, state, reason })
    }

    /// The tasks that are worth a word: in a run that goes on those that haven't ended, in one that
    /// has ended those that didn't succeed.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let tasks = (0..).map(TaskIndex).take(self.pipeline.dag.tasks.len());
        let lines = tasks.filter_map(|task| self.line(TaskRunId { task, item: None }));
        let over = self.row.state.is_finished();
        let worth = |line: &Line| match &line.state {
            TaskState::Finished { outcome, .. } => {
                let hook = self.pipeline.tasks[line.id.task.get()].hook.is_some();
                match outcome {
                    Outcome::Success => false,
                    Outcome::Skipped => over && !hook,
                    _ => true,
                }
            }
            _ => true,
        };
        lines.filter(worth).collect()
    }

    /// A task and its items.
    #[must_use]
    pub fn lines_of(&self, task: TaskIndex) -> Vec<Line> {
        let own = TaskRunId { task, item: None };
        let items = self.rows.keys().filter(|id| id.task == task);
        let items = items.filter(|id| id.item.is_some()).copied();
        std::iter::once(own)
            .chain(items)
            .filter_map(|id| self.line(id))
            .collect()
    }

    fn reason(&self, id: TaskRunId, state: &TaskState) -> String {
        let row = self.rows.get(&id);
        let attempts = row.map_or(0, |row| row.attempts);
        if self.interrupted && !state.is_finished() {
            return match state {
                TaskState::Running { .. } => "was running when its process ended".to_owned(),
                _ => "waits for somebody to carry the run on".to_owned(),
            };
        }
        match state {
            TaskState::Running { started, deadline } => {
                let took = moment::took(*started, self.now);
                let attempt = if attempts > 1 {
                    format!(", attempt {attempts}")
                } else {
                    String::new()
                };
                let ends = deadline.map_or_else(String::new, |at| {
                    format!("; its `timeout` ends it at {}", moment::exact(at, self.now))
                });
                format!("runs for {took}{attempt}{ends}")
            }
            TaskState::Finished { outcome, at } => self.end(id, outcome, *at),
            _ => self.waits(id, attempts),
        }
    }

    fn waits(&self, id: TaskRunId, attempts: u32) -> String {
        match self.engine.why(&self.row.id, id) {
            None => "is about to be looked at".to_owned(),
            Some(Reason::Needs(tasks)) if tasks.is_empty() => {
                "its `if` or `foreach` is being found out".to_owned()
            }
            Some(Reason::Needs(tasks)) => format!("waits for {} to end", self.names(&tasks)),
            Some(Reason::Preparing) => "its `if` or `foreach` is being found out".to_owned(),
            Some(Reason::Items(open)) => {
                let items = plural(open as usize, "item has", "items have");
                format!("{items} not ended")
            }
            Some(Reason::Concurrency(most)) => {
                let items = plural(most as usize, "other item is", "other items are");
                format!("{items} at work, as many as its `concurrency` allows")
            }
            Some(Reason::RunLimit(most)) => {
                let tasks = plural(most as usize, "task", "tasks");
                format!(
                    "{tasks} of the run at work, as many as `max_active_tasks` of the DAG allows"
                )
            }
            Some(Reason::Limit(most)) => {
                let tasks = plural(most as usize, "task is", "tasks are");
                format!("{tasks} at work, as many as `max_active_tasks` in runner.yaml allows")
            }
            Some(Reason::Pool { pool, slots, used }) => {
                let wants = self.pipeline.dag.task(id.task).pool.as_ref();
                let wanted = wants.map_or(1, |(_, slots)| *slots) as usize;
                let wanted = plural(wanted, "slot", "slots");
                let holders: Vec<String> = self
                    .engine
                    .holders(&pool)
                    .map(|(run, held)| self.place(run, held))
                    .collect();
                let holders = list(holders.iter().map(String::as_str));
                format!("waits for {wanted} of pool `{pool}`: {used} of {slots} taken by {holders}")
            }
            Some(Reason::Until(until)) => {
                let ahead = moment::ahead(until, self.now);
                let at = moment::exact(until, self.now);
                let cause = self.rows.get(&id).and_then(shape::cause_of);
                let cause = cause.map_or_else(String::new, |cause| {
                    format!(": {}", first_line(&cause.message))
                });
                format!("tried again at {at} ({ahead}); attempt {attempts} failed{cause}")
            }
        }
    }

    /// A task run, and its run where that is another one.
    fn place(&self, run: &RunId, id: TaskRunId) -> String {
        let pipeline = self.others.get(run).unwrap_or(&self.pipeline);
        let task = &pipeline.dag.task(id.task).id;
        let item = id.item.map_or_else(String::new, |item| format!("[{item}]"));
        if *run == self.row.id {
            format!("{task}{item}")
        } else {
            format!("{task}{item} of {} (run {run})", pipeline.id)
        }
    }

    fn end(&self, id: TaskRunId, outcome: &Outcome, at: Timestamp) -> String {
        let row = self.rows.get(&id);
        let task = &self.pipeline.tasks[id.task.get()];
        match outcome {
            Outcome::Success => {
                let took = row.and_then(|row| row.started);
                let took = took.map_or_else(String::new, |started| {
                    format!(" in {}", moment::took(started, at))
                });
                let attempts = row.map_or(1, |row| row.attempts);
                let tries = if attempts > 1 {
                    format!(" at attempt {attempts}")
                } else {
                    String::new()
                };
                format!("succeeded{took}{tries}")
            }
            Outcome::Failed(cause) => {
                let attempts = row.map_or(1, |row| row.attempts) as usize;
                let attempts = plural(attempts, "attempt", "attempts");
                let kind = match cause.kind {
                    FailureKind::Retryable => "",
                    FailureKind::Permanent => ", and another wouldn't help",
                    FailureKind::TimedOut => ", by its `timeout`",
                    FailureKind::Lost => ", its process gone",
                };
                format!(
                    "failed after {attempts}{kind}: {}",
                    first_line(&cause.message)
                )
            }
            Outcome::Cancelled => "was cancelled".to_owned(),
            Outcome::Skipped | Outcome::UpstreamFailed => {
                match self.engine.ended_by(&self.row.id, id.task) {
                    Some(EndedBy::Failures(tasks)) if !tasks.is_empty() => {
                        format!("never started: {} failed", self.names(&tasks))
                    }
                    Some(EndedBy::Failures(_)) => "never started: a task before it failed".into(),
                    Some(EndedBy::Skips(tasks)) => {
                        format!("skipped: {} was", self.names(&tasks))
                    }
                    Some(EndedBy::LeftOut) => {
                        "left out: the run was begun for other tasks".to_owned()
                    }
                    Some(EndedBy::Rule) => {
                        "skipped: its `when` can't hold after how its needs ended".to_owned()
                    }
                    _ if task.hook.is_some() => "what it waits for didn't happen".to_owned(),
                    _ if let Some(condition) = &task.condition => {
                        format!("skipped: its `if` was false: {}", condition.source())
                    }
                    _ if task.foreach.is_some() => "skipped: its `foreach` was empty".to_owned(),
                    _ => "skipped: it found nothing to do".to_owned(),
                }
            }
        }
    }

    /// What is to be said of the run as a whole.
    #[must_use]
    pub fn head(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let id = &self.row.id;
        if self.interrupted {
            lines.push(format!(
                "{} that carried it out is gone: runner resume {id}",
                self.carrier
            ));
        } else if !self.row.state.is_finished() {
            lines.push(format!("carried out by {}", self.carrier));
        }
        if let Some(deadline) = self.pipeline.deadline {
            let by =
                self.spec.logical_time + chrono::TimeDelta::from_std(deadline).unwrap_or_default();
            let end = self.row.finished.unwrap_or(self.now);
            let at = moment::planned(by, self.now);
            if end > by {
                let late = format_duration((end - by).to_std().unwrap_or_default());
                lines.push(format!("late by {late}: its deadline was {at}"));
            } else if !self.row.state.is_finished() {
                lines.push(format!(
                    "its deadline is {at} ({})",
                    moment::ahead(by, self.now)
                ));
            }
        }
        lines
    }

    /// As a value.
    #[must_use]
    pub fn json(&self, lines: &[Line]) -> Json {
        let tasks = lines.iter().map(|line| {
            json!({
                "task": self.name(line.id.task),
                "item": line.id.item,
                "state": shape::task_state(&line.state),
                "reason": line.reason,
            })
        });
        json!({
            "run": self.row.id.as_str(),
            "dag": self.row.dag.as_str(),
            "state": self.row.state.as_str(),
            "interrupted": self.interrupted,
            "process": self.row.owner.0,
            "daemon": self.daemon.as_ref().map(|owner| &owner.0),
            "notes": self.head(),
            "tasks": tasks.collect::<Vec<_>>(),
        })
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
