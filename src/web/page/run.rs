//! A run: how it stands, its tasks as a graph and in time, why it failed, and what can be done.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use serde_json::Value as Json;

use super::frame::{Page, Place, Sure, Trouble, Visitor};
use super::run_graph::drawn;
use super::run_tasks::{Rows, Table};
use super::template::{Markup, render};
use super::view::{self, When};
use crate::daemon::trigger_word;
use crate::model::{RunId, RunState, TaskIndex, Timestamp, TriggerKind};
use crate::operate::course::Course;
use crate::operate::find::look_at;
use crate::operate::moment;
use crate::operate::shape::cause_of;
use crate::operate::tone::Tone;
use crate::spec::Pipeline;
use crate::store::{DagVersion, RunRow, TaskRunRow};
use crate::web::App;
use crate::web::route::{Needs, Route};

pub(super) const RUN: Route = Route::get("/runs/{run}", Needs::Read, || get(run));

/// Tasks whose outputs are shown.
const OUTPUTS: usize = 50;
/// So many causes are told in full.
const CAUSES: usize = 4;

/// A run with all that is known of it.
pub(super) struct Known {
    pub(super) run: RunRow,
    pub(super) interrupted: bool,
    pub(super) version: DagVersion,
    /// What it was begun with; `None` when that can't be read any more.
    pub(super) pipeline: Option<Arc<Pipeline>>,
    pub(super) tasks: Vec<TaskRunRow>,
    pub(super) now: Timestamp,
}

impl Known {
    /// Reads a run.
    pub(super) async fn read(app: &App, run: &str) -> Result<Self, Trouble> {
        let missing = || Trouble::Missing(format!("There is no run {run}."));
        let id = RunId::new(run).map_err(|_| missing())?;
        let store = app.store.as_ref();
        let mut found = store.runs_by_id(std::slice::from_ref(&id)).await?;
        let row = found.pop().ok_or_else(missing)?;
        let (run, interrupted) = look_at(&app.places.state, store, row).await?;
        let version = store.version(&run.version).await?.unwrap_or(DagVersion {
            hash: run.version.clone(),
            dag: run.dag.clone(),
            tasks: Vec::new(),
            files: std::collections::BTreeMap::new(),
        });
        let snapshot = app.snapshot();
        let project = snapshot.project.as_ref();
        let pipeline = project.and_then(|project| project.pinned(&version).ok());
        Ok(Self {
            tasks: store.task_runs(&id).await?,
            run,
            interrupted,
            version,
            pipeline,
            now: app.now(),
        })
    }

    /// The name of a task.
    pub(super) fn name(&self, task: TaskIndex) -> &str {
        let name = self.version.tasks.get(task.get());
        name.map_or("?", String::as_str)
    }

    /// Its tasks' needs, by task; empty when nobody knows.
    pub(super) fn needs(&self) -> Vec<Vec<TaskIndex>> {
        let tasks = self.pipeline.iter().flat_map(|one| &one.dag.tasks);
        tasks.map(|task| task.needs.clone()).collect()
    }

    pub(super) fn tone(&self) -> Tone {
        Tone::of_run(self.run.state, self.interrupted)
    }
}

#[derive(Serialize)]
struct View {
    id: String,
    dag: String,
    state: view::State,
    took: String,
    /// Since when it runs, for a clock that goes on.
    since: Option<String>,
    trigger: String,
    trigger_link: Option<String>,
    created: When,
    finished: Option<When>,
    interval: Option<String>,
    params: Vec<(String, String)>,
    only: bool,
    version: String,
    version_short: String,
    is_old: bool,
    causes: Vec<Cause>,
    more_causes: usize,
    interrupted: bool,
    graph: Option<Markup>,
    too_large: bool,
    table: Markup,
    actions: Vec<Markup>,
    /// Names of tasks, for what is done to one of them.
    tasks: Vec<String>,
    csrf: String,
    may_run: bool,
    outputs: Vec<Outputs>,
    outputs_more: usize,
}

/// What a task has left for templates.
#[derive(Serialize)]
struct Outputs {
    task: String,
    link: String,
    values: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Cause {
    task: String,
    link: String,
    attempts: u32,
    ended: bool,
    message: String,
}

async fn run(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(run): Path<String>,
) -> Result<Response, Trouble> {
    let known = Known::read(&app, &run).await?;
    let attempts = app.store.attempts(&known.run.id, None).await?;
    let whole = (&known.run, known.interrupted);
    let course = Course::new(whole, known.needs(), &known.tasks, &attempts, known.now);
    let rows = Rows::new(&known);
    let run = &known.run;
    let goes_on = !run.state.is_finished() && !known.interrupted;
    let snapshot = app.snapshot();
    let project = snapshot.project.as_ref();
    let current = project.and_then(|project| project.pipelines.get(&run.dag));
    let (trigger, trigger_link) = trigger(&run.trigger);
    let causes = causes(&known);
    let outputs = outputs(&known);
    let view = View {
        id: run.id.to_string(),
        dag: run.dag.to_string(),
        state: known.tone().into(),
        took: view::took(run, known.interrupted, known.now),
        since: run.started.filter(|_| goes_on).map(moment::utc),
        trigger,
        trigger_link,
        created: view::when(run.created, known.now),
        finished: run.finished.map(|at| view::when(at, known.now)),
        interval: interval(run),
        params: params(run),
        only: false,
        version: run.version.clone(),
        version_short: run.version.chars().take(10).collect(),
        is_old: current.is_some_and(|current| current.version.hash != run.version),
        more_causes: causes.len().saturating_sub(CAUSES),
        causes: causes.into_iter().take(CAUSES).collect(),
        interrupted: known.interrupted,
        graph: drawn(&known, &rows, &course),
        too_large: known.version.tasks.len() > crate::web::draw::MOST,
        table: render("run_tasks.html", &Table::new(&known, &rows, &course)),
        actions: actions(&known, &visitor),
        tasks: known.version.tasks.clone(),
        csrf: visitor.csrf.clone(),
        may_run: visitor.may_run,
        outputs_more: outputs.len().saturating_sub(OUTPUTS),
        outputs: outputs.into_iter().take(OUTPUTS).collect(),
    };
    let title = format!("{} {}", run.dag, known.tone().word());
    let page = Page {
        title: &title,
        place: Place::Runs,
        live: goes_on.then(|| format!("/live/runs/{}", run.id)),
        body: render("run.html", &view),
    };
    Ok(page.show(&app, &visitor))
}

/// What made a run, and where that is.
pub(super) fn trigger(trigger: &TriggerKind) -> (String, Option<String>) {
    match trigger {
        TriggerKind::Dag { run } => (format!("run {run}"), Some(format!("/runs/{run}"))),
        TriggerKind::After { what } => (format!("after {what}"), None),
        TriggerKind::Event { source, .. } => (format!("event: {source}"), None),
        TriggerKind::Manual => ("by hand".to_owned(), None),
        other => (trigger_word(other).to_owned(), None),
    }
}

/// The data that a run is about, as a person says it; `None`: about none.
pub(super) fn interval(run: &RunRow) -> Option<String> {
    let interval = run.interval;
    if interval.start == interval.end {
        return None;
    }
    let (start, end) = (interval.start, interval.end);
    let day = "%Y-%m-%d";
    let midnight = |at: Timestamp| at.format("%H:%M:%S").to_string() == "00:00:00";
    if midnight(start) && midnight(end) {
        return Some(if end - start == chrono::TimeDelta::days(1) {
            start.format(day).to_string()
        } else {
            format!("{} to {}", start.format(day), end.format(day))
        });
    }
    let clock = "%H:%M UTC";
    Some(if start.date_naive() == end.date_naive() {
        format!(
            "{} to {}",
            start.format("%Y-%m-%d %H:%M"),
            end.format(clock)
        )
    } else {
        let whole = "%Y-%m-%d %H:%M";
        format!("{} to {} UTC", start.format(whole), end.format(whole))
    })
}

/// Parameters and their values, as they are typed.
pub(super) fn params(run: &RunRow) -> Vec<(String, String)> {
    let Ok(Json::Object(params)) = serde_json::from_str(&run.params.0) else {
        return Vec::new();
    };
    let text = |value: Json| match value {
        Json::String(text) => text,
        other => other.to_string(),
    };
    params
        .into_iter()
        .map(|(name, value)| (name, text(value)))
        .collect()
}

fn causes(known: &Known) -> Vec<Cause> {
    let is_group = |row: &TaskRunRow| {
        row.id.item.is_none()
            && known
                .tasks
                .iter()
                .any(|other| other.id.task == row.id.task && other.id.item.is_some())
    };
    // A group's failure repeats that of its first item.
    let failed = known
        .tasks
        .iter()
        .filter_map(|row| Some((row, cause_of(row)?)));
    failed
        .filter(|(row, _)| !is_group(row))
        .map(|(row, cause)| {
            let name = known.name(row.id.task);
            let item = row.id.item;
            Cause {
                task: item.map_or_else(|| name.to_owned(), |item| format!("{name}[{item}]")),
                link: task_link(known, row),
                attempts: row.attempts,
                ended: row.state.is_finished(),
                message: cause.message.to_string(),
            }
        })
        .collect()
}

/// What tasks have left for templates; items' outputs are on their pages.
fn outputs(known: &Known) -> Vec<Outputs> {
    let of = |row: &TaskRunRow| {
        let outputs = &row.result.as_ref()?.outputs;
        let Ok(Json::Object(outputs)) = serde_json::from_str(&outputs.0) else {
            return None;
        };
        let values = outputs.into_iter().map(|(name, value)| match value {
            Json::String(text) => (name, text),
            other => (name, other.to_string()),
        });
        Some(Outputs {
            task: known.name(row.id.task).to_owned(),
            link: task_link(known, row),
            values: values.collect(),
        })
    };
    let rows = known.tasks.iter().filter(|row| row.id.item.is_none());
    rows.filter_map(of)
        .filter(|one| !one.values.is_empty())
        .collect()
}

/// The page of a task run.
pub(super) fn task_link(known: &Known, row: &TaskRunRow) -> String {
    let (run, name) = (&known.run.id, known.name(row.id.task));
    match row.id.item {
        Some(item) => format!("/runs/{run}/tasks/{name}?item={item}"),
        None => format!("/runs/{run}/tasks/{name}"),
    }
}

fn actions(known: &Known, visitor: &Visitor) -> Vec<Markup> {
    let run = &known.run;
    let mut actions = Vec::new();
    if !visitor.may_run {
        return actions;
    }
    let sure = |label, question: String, verb: &str, class| Sure {
        label,
        question,
        action: format!("/runs/{}/{verb}", run.id),
        csrf: &visitor.csrf,
        class,
        fields: Vec::new(),
        left: false,
    };
    if !run.state.is_finished() && run.state != RunState::Cancelling {
        let question = "What runs gets time to end cleanly; what hasn't begun won't.".to_owned();
        actions.push(sure("Cancel", question, "cancel", "danger").show());
    }
    if matches!(run.state, RunState::Failed | RunState::Cancelled) {
        let question =
            "Tasks that failed, and all that waited for them, run again. What succeeded stays."
                .to_owned();
        actions.push(sure("Retry what failed", question, "retry", "main").show());
    }
    actions
}
