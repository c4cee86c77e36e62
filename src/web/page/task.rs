//! A task of a run: its attempts, why it failed, what it left, its log.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio_util::io::ReaderStream;

use super::frame::{Field, Page, Place, Sure, Trouble, Visitor};
use super::log::{self, Log};
use super::run::Known;
use super::template::{Markup, render};
use super::view::{self, When};
use crate::model::{
    AttemptId, AttemptOutcome, AttemptResult, TaskId, TaskIndex, TaskRunId, TaskState, Timestamp,
};
use crate::operate::log_window::{self, From, Wanted};
use crate::operate::moment;
use crate::operate::run::metrics;
use crate::operate::tone::Tone;
use crate::operate::words::moved;
use crate::store::{AttemptRow, TaskRunRow};
use crate::task::log_path;
use crate::web::App;
use crate::web::route::{Needs, Route};

pub(super) const TASK: Route = Route::get("/runs/{run}/tasks/{task}", Needs::Read, || get(task));
pub(super) const LOG: Route = Route::get("/runs/{run}/tasks/{task}/log", Needs::Read, || {
    get(download)
});

/// Items of a group that are listed at a time.
const ITEMS: usize = 200;

/// Which task run and which part of its log.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::web) struct Asked {
    pub(in crate::web) item: Option<u32>,
    pub(in crate::web) attempt: Option<u32>,
    pub(in crate::web) generation: Option<u32>,
    #[serde(default)]
    find: String,
    #[serde(default)]
    level: String,
    at: Option<u64>,
    before: Option<u64>,
    /// The first item that is listed.
    #[serde(default)]
    items: usize,
}

#[derive(Serialize)]
struct View {
    run: String,
    dag: String,
    task: String,
    item: Option<u32>,
    kind: &'static str,
    about: String,
    state: view::State,
    attempts: Vec<Attempt>,
    cause: Option<String>,
    kind_of_failure: &'static str,
    again: Option<When>,
    started: Option<When>,
    since: Option<String>,
    took: String,
    facts: Vec<(&'static str, String)>,
    made: Vec<String>,
    outputs: Option<String>,
    data: Option<String>,
    needs: Vec<(String, String)>,
    items: Vec<ItemRow>,
    items_more: Option<String>,
    items_total: usize,
    log: Option<Markup>,
    actions: Vec<Markup>,
}

#[derive(Serialize)]
struct Attempt {
    name: String,
    link: String,
    state: view::State,
    took: String,
    here: bool,
}

#[derive(Serialize)]
struct ItemRow {
    item: u32,
    link: String,
    state: view::State,
    value: String,
    took: String,
    cause: String,
}

/// A task run that was asked for.
struct Found {
    known: Known,
    task: TaskIndex,
    name: TaskId,
    row: Option<TaskRunRow>,
}

impl Found {
    async fn read(app: &App, run: &str, task: &str, item: Option<u32>) -> Result<Self, Trouble> {
        let known = Known::read(app, run).await?;
        let at = known.version.tasks.iter().position(|name| name == task);
        let index = at.and_then(|at| u32::try_from(at).ok()).map(TaskIndex);
        let missing = || Trouble::Missing(format!("Run {run} has no task {task}."));
        let task = index.ok_or_else(missing)?;
        let name = TaskId::new(known.name(task)).map_err(|_| missing())?;
        let id = TaskRunId { task, item };
        let row = known.tasks.iter().find(|row| row.id == id).cloned();
        if row.is_none() && item.is_some() {
            return Err(missing());
        }
        Ok(Self {
            known,
            task,
            name,
            row,
        })
    }

    fn id(&self, item: Option<u32>) -> TaskRunId {
        let task = self.task;
        TaskRunId { task, item }
    }

    /// The file of an attempt's log.
    fn log(&self, app: &App, item: Option<u32>, (generation, number): (u32, u32)) -> PathBuf {
        let attempt = AttemptId {
            run: self.known.run.id.clone(),
            task_run: self.id(item),
            generation,
            number,
            fence: 0,
        };
        app.places.state.join(log_path(&attempt, &self.name))
    }

    /// The attempt that is meant: the one that was asked for, or the latest.
    fn attempt(&self, asked: &Asked) -> (u32, u32) {
        let generation = self.row.as_ref().map_or(0, |row| row.generation);
        let last = self.row.as_ref().map_or(0, |row| row.attempts);
        (
            asked.generation.unwrap_or(generation),
            asked.attempt.unwrap_or(last),
        )
    }

    /// Whether that attempt runs now.
    fn runs(&self, (generation, number): (u32, u32)) -> bool {
        self.row.as_ref().is_some_and(|row| {
            matches!(row.state, TaskState::Running { .. })
                && (row.generation, row.attempts) == (generation, number)
                && !self.known.interrupted
        })
    }
}

async fn task(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path((run, task)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let found = Found::read(&app, &run, &task, asked.item).await?;
    let known = &found.known;
    let now = known.now;
    let ended = app.store.attempts(&known.run.id, Some(found.task)).await?;
    let ended: Vec<&AttemptRow> = ended
        .iter()
        .filter(|attempt| attempt.id.item == asked.item)
        .collect();
    let meant = found.attempt(&asked);
    let row = found.row.as_ref();
    let running = found.runs(meant);
    let own = ended
        .iter()
        .find(|attempt| (attempt.generation, attempt.number) == meant);
    let result = own.map(|attempt| &attempt.result);
    let (started, finished) = times(row, own.copied(), running);
    let spec = known.pipeline.as_ref();
    let spec = spec.and_then(|pipeline| pipeline.tasks.get(found.task.get()));
    let (cause, kind_of_failure) = cause(result);
    let items = items(&found, &asked);
    let path = format!("/runs/{}/tasks/{}", known.run.id, found.name);
    let log = log_of(&app, &found, &asked, meant, running).await?;
    let title = match asked.item {
        Some(item) => format!("{task}[{item}]"),
        None => task.clone(),
    };
    let view = View {
        run: known.run.id.to_string(),
        dag: known.run.dag.to_string(),
        task: found.name.to_string(),
        item: asked.item,
        kind: spec.map_or("", |spec| spec.kind),
        about: spec
            .and_then(|spec| spec.description.clone())
            .unwrap_or_default(),
        state: row
            .map_or(Tone::Waiting, |row| {
                Tone::of_task(&row.state, known.interrupted)
            })
            .into(),
        attempts: attempts(&found, &ended, &asked, meant),
        cause,
        kind_of_failure,
        again: match row.map(|row| &row.state) {
            Some(TaskState::RetryWait { until }) => Some(view::ahead(*until, now)),
            _ => None,
        },
        started: started.map(|at| view::when(at, now)),
        since: started.filter(|_| running).map(moment::utc),
        took: match (started, finished) {
            (Some(from), Some(until)) => moment::took(from, until),
            (Some(from), None) if running => moment::took(from, now),
            _ => String::new(),
        },
        facts: facts(row),
        made: row.map(|row| metrics(row).made).unwrap_or_default(),
        outputs: result.and_then(outputs),
        data: row
            .and_then(|row| row.result.as_ref()?.dataset.as_ref())
            .map(|_| {
                let item = asked
                    .item
                    .map_or_else(String::new, |item| format!("?item={item}"));
                format!("{path}/data{item}")
            }),
        needs: needs(&found),
        items_total: items.1,
        items_more: (asked.items + ITEMS < items.1)
            .then(|| format!("{path}?items={}", asked.items + ITEMS)),
        items: items.0,
        log,
        actions: actions(&found, &visitor, asked.item),
    };
    let page = Page {
        title: &title,
        place: Place::Runs,
        live: (!known.run.state.is_finished() && !known.interrupted)
            .then(|| format!("/live/runs/{}", known.run.id)),
        body: render("task.html", &view),
    };
    Ok(page.show(&app, &visitor))
}

fn times(
    row: Option<&TaskRunRow>,
    ended: Option<&AttemptRow>,
    running: bool,
) -> (Option<Timestamp>, Option<Timestamp>) {
    if let Some(ended) = ended {
        return (Some(ended.started), Some(ended.finished));
    }
    match row.map(|row| &row.state) {
        Some(TaskState::Running { started, .. }) if running => (Some(*started), None),
        _ => (None, None),
    }
}

fn cause(result: Option<&AttemptResult>) -> (Option<String>, &'static str) {
    use crate::model::FailureKind as Kind;
    let Some(AttemptOutcome::Failed { cause, .. }) = result.map(|result| &result.outcome) else {
        return (None, "");
    };
    let kind = match cause.kind {
        Kind::Retryable => "trying again may help",
        Kind::Permanent => "trying again can't help",
        Kind::TimedOut => "it took longer than its timeout",
        Kind::Lost => "its process ended without an answer",
    };
    (Some(cause.message.to_string()), kind)
}

fn facts(row: Option<&TaskRunRow>) -> Vec<(&'static str, String)> {
    let Some(row) = row else { return Vec::new() };
    let metrics = metrics(row);
    let (rows, bytes) = (metrics.rows.unwrap_or(0), metrics.bytes.unwrap_or(0));
    let mut facts = Vec::new();
    let moved = moved(rows, bytes, std::time::Duration::ZERO);
    facts.extend(moved.map(|text| ("moved", text)));
    facts.extend(metrics.summary.map(|text| ("result", text)));
    facts
}

fn outputs(result: &AttemptResult) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(&result.outputs.0).ok()?;
    let empty = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    (!empty).then(|| format!("{value:#}"))
}

fn needs(found: &Found) -> Vec<(String, String)> {
    let known = &found.known;
    let needs = known.needs();
    let own = needs.get(found.task.get()).into_iter().flatten();
    own.map(|need| {
        let name = known.name(*need);
        (
            name.to_owned(),
            format!("/runs/{}/tasks/{name}", known.run.id),
        )
    })
    .collect()
}

fn attempts(
    found: &Found,
    ended: &[&AttemptRow],
    asked: &Asked,
    meant: (u32, u32),
) -> Vec<Attempt> {
    let path = format!("/runs/{}/tasks/{}", found.known.run.id, found.name);
    let item = asked
        .item
        .map_or_else(String::new, |item| format!("item={item}&"));
    let generations = ended.iter().any(|attempt| attempt.generation > 0);
    let of = |(generation, number): (u32, u32), tone: Tone, took: String| Attempt {
        name: if generations {
            format!("{}.{number}", generation + 1)
        } else {
            number.to_string()
        },
        link: format!("{path}?{item}generation={generation}&attempt={number}"),
        state: tone.into(),
        took,
        here: (generation, number) == meant,
    };
    let mut attempts: Vec<Attempt> = ended
        .iter()
        .map(|attempt| {
            let tone = Tone::of_attempt(&attempt.result.outcome);
            let took = moment::took(attempt.started, attempt.finished);
            of((attempt.generation, attempt.number), tone, took)
        })
        .collect();
    if let Some(row) = &found.row
        && matches!(row.state, TaskState::Running { .. })
    {
        let tone = Tone::of_task(&row.state, found.known.interrupted);
        attempts.push(of((row.generation, row.attempts), tone, String::new()));
    }
    if attempts.len() < 2 {
        attempts.clear();
    }
    attempts
}

/// A page of a group's items, and how many there are.
fn items(found: &Found, asked: &Asked) -> (Vec<ItemRow>, usize) {
    let known = &found.known;
    let rows = known.tasks.iter();
    let rows = rows.filter(|row| row.id.task == found.task && row.id.item.is_some());
    if asked.item.is_some() {
        return (Vec::new(), 0);
    }
    let mut rows: Vec<&TaskRunRow> = rows.collect();
    let total = rows.len();
    // The worst first.
    rows.sort_by_key(|row| (Tone::of_task(&row.state, known.interrupted), row.id.item));
    let page = rows.into_iter().skip(asked.items).take(ITEMS);
    let items = page.map(|row| ItemRow {
        item: row.id.item.unwrap_or(0),
        link: super::run::task_link(known, row),
        state: Tone::of_task(&row.state, known.interrupted).into(),
        value: String::new(),
        took: match (&row.state, row.started) {
            (TaskState::Finished { at, .. }, Some(started)) => moment::took(started, *at),
            _ => String::new(),
        },
        cause: crate::operate::shape::cause_of(row)
            .map(|cause| cause.message.lines().next().unwrap_or_default().to_owned())
            .unwrap_or_default(),
    });
    (items.collect(), total)
}

async fn log_of(
    app: &App,
    found: &Found,
    asked: &Asked,
    meant: (u32, u32),
    running: bool,
) -> Result<Option<Markup>, Trouble> {
    if meant.1 == 0 {
        return Ok(None);
    }
    let wanted = Wanted {
        text: asked.find.clone(),
        troubles: asked.level == "warn",
    };
    let from = match (asked.at, asked.before) {
        (Some(at), _) => From::Byte(at),
        (None, Some(before)) => From::Before(before),
        (None, None) => From::End,
    };
    let file = found.log(app, asked.item, meant);
    let searched = wanted.clone();
    let window = tokio::task::spawn_blocking(move || log_window::read(&file, from, &searched));
    let window = window
        .await
        .map_err(|error| Trouble::Broken(error.to_string()))??;
    let path = format!("/runs/{}/tasks/{}", found.known.run.id, found.name);
    let mut query = Vec::new();
    query.extend(asked.item.map(|item| ("item", item.to_string())));
    query.extend(asked.generation.map(|one| ("generation", one.to_string())));
    query.extend(asked.attempt.map(|one| ("attempt", one.to_string())));
    let item = asked
        .item
        .map_or_else(String::new, |item| format!("item={item}&"));
    let which = format!("{item}generation={}&attempt={}", meant.0, meant.1);
    let log = log::Asked {
        path: &path,
        query,
        wanted: &wanted,
        goes_on: running,
        live: format!("/live{path}/log?{which}&"),
        download: format!("{path}/log?{which}"),
    };
    Ok(Some(render("log.html", &Log::new(&window, &log))))
}

fn actions(found: &Found, visitor: &Visitor, item: Option<u32>) -> Vec<Markup> {
    let run = &found.known.run;
    if !visitor.may_run || item.is_some() {
        return Vec::new();
    }
    let sure = |label, verb: &str, question: &str, mark: Option<&str>| {
        let mut fields = vec![Field {
            name: "task",
            value: found.name.to_string(),
        }];
        fields.extend(mark.map(|mark| Field {
            name: "as",
            value: mark.to_owned(),
        }));
        Sure {
            label,
            question: question.to_owned(),
            action: format!("/runs/{}/{verb}", run.id),
            csrf: &visitor.csrf,
            class: "main",
            fields,
            left: false,
        }
        .show()
    };
    let finished = found
        .row
        .as_ref()
        .is_some_and(|row| row.state.is_finished());
    let mut actions = Vec::new();
    if finished {
        let question =
            "This task and all that come after it run again; what they left is made anew.";
        actions.push(sure("Run again from here", "retry", question, None));
    }
    let question = "It counts as done, and what waits for it goes on.";
    actions.push(sure("Mark as success", "mark", question, Some("success")));
    let question = "It counts as failed, and what waits for it won't run.";
    actions.push(sure("Mark as failed", "mark", question, Some("failed")));
    actions
}

/// The whole log, as it is.
async fn download(
    State(app): State<Arc<App>>,
    Path((run, task)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let found = Found::read(&app, &run, &task, asked.item).await?;
    let path = found.log(&app, asked.item, found.attempt(&asked));
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let missing = |_| Trouble::Missing("It has logged nothing.".to_owned());
    let file = tokio::fs::File::open(path).await.map_err(missing)?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{run}.{name}\""),
        ),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}

/// Where an attempt's log is, and whether it still grows.
pub(in crate::web) async fn growing(
    app: &App,
    (run, task): (&str, &str),
    asked: &Asked,
) -> Option<(PathBuf, bool)> {
    let found = Found::read(app, run, task, asked.item).await.ok()?;
    let meant = found.attempt(asked);
    Some((found.log(app, asked.item, meant), found.runs(meant)))
}
