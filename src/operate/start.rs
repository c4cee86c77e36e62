//! A run that a person or a program begins.

use std::collections::BTreeSet;
use std::path::Path;

use chrono_tz::Tz;
use serde_json::{Map, Value as Json};

use super::mistake::{Mistake, Trouble, unknown};
use super::moment;
use crate::daemon::{Beginning, begin, masker_of, ring};
use crate::model::{DataInterval, RunSpec, TaskIndex, Timestamp, TriggerKind};
use crate::spec::{Hook, Pipeline, Project};
use crate::store::{NewRun, Owner, RunStore};

/// What is wanted of a run.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// All parameters, bound.
    pub params: Map<String, Json>,
    /// `START/END`; without it the schedule's last complete interval.
    pub interval: Option<&'a str>,
    /// Only these tasks.
    pub only: &'a [String],
    /// Only this task and what comes after it.
    pub from: Option<&'a str>,
}

/// The run of a DAG that is wanted.
///
/// # Errors
/// An unknown task, an interval that is none.
pub fn run_spec(
    pipeline: &Pipeline,
    wanted: Wanted<'_>,
    now: Timestamp,
) -> Result<RunSpec, Mistake> {
    let interval = match wanted.interval {
        Some(text) => parse_interval(text)?,
        None => interval_of_manual_run(pipeline, now),
    };
    let beginning = Beginning {
        params: wanted.params,
        interval,
        logical_time: now,
        trigger: TriggerKind::Manual,
        priority: 0,
        only: chosen_tasks(pipeline, wanted.only, wanted.from)?,
    };
    Ok(begin(pipeline, beginning, now))
}

/// Refuses parameters with a secret in them: they are kept with the run, and everybody sees them.
///
/// # Errors
/// Which parameter it is.
pub fn no_secrets(project: &Project, params: &Map<String, Json>) -> Result<(), Mistake> {
    let masker = masker_of(project);
    let shows = |value: &Json| masker.mask_json(value.clone()) != *value;
    match params.iter().find(|(_, value)| shows(value)) {
        None => Ok(()),
        Some((name, _)) => Err(Mistake::new(format!(
            "parameter `{name}` has a secret in it: it would be kept with the run and shown"
        ))
        .help("a task has it from its connection, or from the environment by `env`")),
    }
}

/// Gives a run to the daemon. `false`: it has ended meanwhile, and begins the run when it is back.
///
/// # Errors
/// When the store can't be written, or the bell can't be rung.
pub async fn hand_over(
    state: &Path,
    store: &dyn RunStore,
    pipeline: &Pipeline,
    spec: &RunSpec,
    daemon: &Owner,
) -> Result<bool, Trouble> {
    let run = NewRun {
        spec: spec.clone(),
        owner: daemon.clone(),
    };
    store
        .begin(std::slice::from_ref(&pipeline.version), &[run])
        .await?;
    Ok(ring(state, daemon)?)
}

/// The tasks of a run that was limited to some, by name; `None`: all.
fn chosen_tasks(
    pipeline: &Pipeline,
    only: &[String],
    from: Option<&str>,
) -> Result<Option<Vec<String>>, Mistake> {
    let find = |name: &str| {
        let known = || pipeline.dag.tasks.iter().map(|task| task.id.as_str());
        let found = pipeline.dag.index_of(name);
        found.ok_or_else(|| unknown("task", name, known()))
    };
    let mut chosen: BTreeSet<TaskIndex> = BTreeSet::new();
    for name in only {
        chosen.insert(find(name)?);
    }
    if let Some(name) = from {
        chosen.insert(find(name)?);
        // Tasks are in topological order: one pass finds all that come after.
        for (at, task) in (0u32..).map(TaskIndex).zip(&pipeline.dag.tasks) {
            if task.needs.iter().any(|need| chosen.contains(need)) {
                chosen.insert(at);
            }
        }
    }
    if chosen.is_empty() {
        return Ok(None);
    }
    // Who watches a chosen task comes with it.
    for (at, task) in (0u32..).map(TaskIndex).zip(&pipeline.tasks) {
        let watches = |hook: &Hook| hook.of.is_none_or(|of| chosen.contains(&of));
        if task.hook.as_ref().is_some_and(watches) {
            chosen.insert(at);
        }
    }
    let names = chosen
        .iter()
        .map(|at| pipeline.dag.task(*at).id.to_string());
    Ok(Some(names.collect()))
}

/// `2020-08-20/2020-08-21`, days or times in UTC.
fn parse_interval(text: &str) -> Result<DataInterval, Mistake> {
    let mistake = || {
        Mistake::new(format!("`{text}` is no interval")).help(
            "write START/END, such as 2020-08-20/2020-08-21 or 2020-08-20T06:00Z/2020-08-20T12:00Z",
        )
    };
    let (start, end) = text.split_once('/').ok_or_else(mistake)?;
    let time = |text| moment::parse(text, Tz::UTC).ok_or_else(mistake);
    let (start, end) = (time(start)?, time(end)?);
    if end < start {
        return Err(Mistake::new("the interval ends before it starts"));
    }
    Ok(DataInterval { start, end })
}

/// The interval of a run that a person starts: the schedule's last complete one, otherwise the
/// moment itself.
#[must_use]
pub fn interval_of_manual_run(pipeline: &Pipeline, now: Timestamp) -> DataInterval {
    let scheduled = pipeline
        .schedule
        .as_ref()
        .and_then(|schedule| schedule.last_complete(now));
    scheduled.unwrap_or(DataInterval {
        start: now,
        end: now,
    })
}
