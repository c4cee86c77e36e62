//! A task of a run: its attempts, why it failed, what it left, its log.

mod actions;
mod executed;
mod found;
mod items;
mod lines;

pub(super) use found::Found;
pub(in crate::web) use found::{Asked, growing};
pub(super) use lines::LOG;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use self::actions::actions;
use self::executed::{Executed, executed, picture};
use self::items::{ITEMS, ItemRow, items};
use self::lines::log_of;
use super::frame::{Page, Place, Trouble, Visitor};
use super::template::{Markup, render};
use super::view::{self, When};
use crate::model::{AttemptOutcome, AttemptResult, TaskState, Timestamp};
use crate::operate::moment;
use crate::operate::run::metrics;
use crate::operate::tone::Tone;
use crate::operate::words::moved;
use crate::store::{AttemptRow, TaskRunRow};
use crate::web::App;
use crate::web::route::{Needs, Route};

pub(super) const TASK: Route = Route::get("/runs/{run}/tasks/{task}", Needs::Read, || get(task));

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
    picture: Option<String>,
    needs: Vec<(String, String)>,
    items: Vec<ItemRow>,
    items_more: Option<String>,
    items_total: usize,
    rendered: Vec<Executed>,
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
    let items = items(&app, &found, &asked).await?;
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
        picture: picture(&app, &found, &asked, meant).await,
        needs: needs(&found),
        items_total: items.1,
        items_more: (asked.items + ITEMS < items.1)
            .then(|| format!("{path}?items={}", asked.items + ITEMS)),
        items: items.0,
        rendered: executed(&found.log(&app, asked.item, meant)).await?,
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
