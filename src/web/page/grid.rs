//! The latest runs of a DAG and their tasks: a column a run, a row a task.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use super::dag::{Asked, Tab, head, latest};
use super::frame::{Page, Place, Trouble, Visitor};
use super::home::bar;
use super::tasks_of::tasks_of;
use super::template::{Markup, markup, render};
use super::view::State as Shown;
use crate::operate::find::look_at;
use crate::operate::tone::Tone;
use crate::web::App;
use crate::web::draw::{Bar, bars};
use crate::web::route::{Needs, Route};

pub(super) const GRID: Route = Route::get("/dags/{dag}/grid", Needs::Read, || get(grid));

/// Columns.
const RUNS: u32 = 40;
/// Rows; a DAG with more tasks shows those that have failed somewhere.
const TASKS: usize = 400;

#[derive(Serialize)]
struct View {
    head: Markup,
    runs: usize,
    bars: Markup,
    rows: Vec<Row>,
    left_out: usize,
    legend: Vec<Shown>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    cells: Vec<Option<Cell>>,
}

#[derive(Serialize)]
struct Cell {
    state: Shown,
    link: String,
    title: String,
}

async fn grid(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(dag): Path<String>,
) -> Result<Response, Trouble> {
    let asked = Asked::read(&app, &dag).await?;
    let store = app.store.as_ref();
    let mut runs = Vec::new();
    for run in latest(&app, &asked.id, RUNS).await? {
        runs.push(look_at(&app.places.state, store, run).await?);
    }
    runs.reverse();
    let mut versions: HashMap<String, Vec<String>> = HashMap::new();
    // By task, the newest definition's order first; a task that is gone comes after.
    let mut names: Vec<String> = asked
        .pipeline
        .iter()
        .flat_map(|one| one.version.tasks.clone())
        .collect();
    let mut columns: Vec<HashMap<String, Tone>> = Vec::with_capacity(runs.len());
    for (run, interrupted) in &runs {
        if !versions.contains_key(&run.version) {
            let tasks = tasks_of(&app, run).await?.unwrap_or_default();
            for task in &tasks {
                if !names.contains(task) {
                    names.push(task.clone());
                }
            }
            versions.insert(run.version.clone(), tasks);
        }
        let tasks = &versions[&run.version];
        let mut column: HashMap<String, Tone> = tasks
            .iter()
            .map(|task| (task.clone(), Tone::Waiting))
            .collect();
        for row in store.task_runs(&run.id).await? {
            if row.id.item.is_none()
                && let Some(name) = tasks.get(row.id.task.get())
            {
                column.insert(name.clone(), Tone::of_task(&row.state, *interrupted));
            }
        }
        columns.push(column);
    }
    let all = names.len();
    if all > TASKS {
        names.retain(|name| {
            columns
                .iter()
                .any(|one| one.get(name) == Some(&Tone::Failed))
        });
        names.truncate(TASKS);
    }
    let drawn: Vec<Bar> = runs
        .iter()
        .map(|(run, interrupted)| bar(run, *interrupted, asked.now))
        .collect();
    let cell = |at: usize, name: &str| {
        let tone = *columns[at].get(name)?;
        let run = &runs[at].0.id;
        Some(Cell {
            state: tone.into(),
            link: format!("/runs/{run}/tasks/{name}"),
            title: format!("{name}: {}, run {run}", tone.word()),
        })
    };
    let rows = names.iter().map(|name| Row {
        name: name.clone(),
        cells: (0..runs.len()).map(|at| cell(at, name)).collect(),
    });
    let view = View {
        head: head(&app, &asked, &visitor, Tab::Grid),
        runs: runs.len(),
        bars: markup(bars(&drawn, (18.0, 56.0), runs.len())),
        left_out: all - names.len(),
        rows: rows.collect(),
        legend: Tone::ALL.iter().rev().map(|tone| (*tone).into()).collect(),
    };
    let title = format!("{} grid", asked.id);
    let page = Page {
        title: &title,
        place: Place::Dags,
        live: Some("/live/home".to_owned()),
        body: render("grid.html", &view),
    };
    Ok(page.show(&app, &visitor))
}
