//! Runs, newest first, page by page.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::frame::{Page, Place, Trouble, Visitor};
use super::home::Choice;
use super::run::{interval, trigger};
use super::template::{Markup, render};
use super::view::{self, When, encoded};
use crate::model::{DagId, RunId, RunState, Timestamp};
use crate::operate::find::look_at;
use crate::operate::tone::Tone;
use crate::store::RunFilter;
use crate::web::App;
use crate::web::route::{Needs, Route};

pub(super) const RUNS: Route = Route::get("/runs", Needs::Read, || get(runs));

/// Runs of a page.
const PAGE: u32 = 50;
/// DAGs that are named when a part of a name was asked for.
const NEAR: usize = 12;

#[derive(Deserialize)]
struct Asked {
    /// A DAG, or how a run's id begins.
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    before: String,
}

#[derive(Serialize)]
struct View<'a> {
    query: &'a str,
    filters: Vec<Choice>,
    table: Markup,
    older: Option<String>,
    newest: Option<String>,
    dag: Option<String>,
    /// DAGs that are called so in part, when none is as a whole.
    near: Vec<Choice>,
}

#[derive(Serialize)]
struct Table<'a> {
    runs: Vec<Row>,
    with_dag: bool,
    empty: &'a str,
}

#[derive(Serialize)]
struct Row {
    id: String,
    dag: String,
    state: view::State,
    trigger: String,
    interval: String,
    created: When,
    took: String,
}

/// The filters, and the states that each means.
const FILTERS: [(&str, &[RunState]); 5] = [
    ("all", &[]),
    (
        "running",
        &[RunState::Queued, RunState::Running, RunState::Cancelling],
    ),
    ("failed", &[RunState::Failed]),
    ("success", &[RunState::Success]),
    ("cancelled", &[RunState::Cancelled]),
];

async fn runs(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let now = app.now();
    let query = asked.q.trim();
    let dags = match query {
        "" => BTreeSet::new(),
        _ => dags(&app).await?,
    };
    let dag = dags.iter().find(|dag| dag.as_str() == query);
    let prefix = if dag.is_some() { "" } else { query };
    let states = FILTERS.iter().find(|(name, _)| *name == asked.state);
    let filter = RunFilter {
        dag: dag.cloned(),
        states: states
            .map(|(_, states)| states.to_vec())
            .unwrap_or_default(),
        prefix: prefix.to_lowercase(),
        before: RunId::new(&asked.before).ok(),
        limit: PAGE + 1,
    };
    let mut rows = app.store.runs(&filter).await?;
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let more = rows.len() > page;
    rows.truncate(page);
    let last = rows.last().map(|row| row.id.to_string());
    let empty = match (&filter.dag, filter.prefix.as_str()) {
        (None, "") => "No run is like that.".to_owned(),
        (None, prefix) => format!("No id of such a run begins with {prefix}."),
        (Some(dag), _) => format!("No run of {dag} is like that."),
    };
    let table = table(&app, rows, now, filter.dag.is_none(), &empty).await?;
    let view = View {
        query,
        filters: filters(&asked),
        table,
        older: last
            .filter(|_| more)
            .map(|last| link(query, &asked.state, &last)),
        newest: (!asked.before.is_empty()).then(|| link(query, &asked.state, "")),
        dag: filter.dag.as_ref().map(ToString::to_string),
        near: near(&dags, &filter.prefix, &asked.state),
    };
    let page = Page {
        title: "Runs",
        place: Place::Runs,
        live: asked.before.is_empty().then(|| "/live/home".to_owned()),
        body: render("runs.html", &view),
    };
    Ok(page.show(&app, &visitor))
}

/// Runs as a table.
pub(super) async fn table(
    app: &App,
    rows: Vec<crate::store::RunRow>,
    now: Timestamp,
    with_dag: bool,
    empty: &str,
) -> Result<Markup, Trouble> {
    let mut runs = Vec::with_capacity(rows.len());
    for row in rows {
        let (run, interrupted) = look_at(&app.places.state, app.store.as_ref(), row).await?;
        runs.push(Row {
            id: run.id.to_string(),
            dag: run.dag.to_string(),
            state: Tone::of_run(run.state, interrupted).into(),
            trigger: trigger(&run.trigger).0,
            interval: interval(&run).unwrap_or_default(),
            created: view::when(run.created, now),
            took: view::took(&run, interrupted, now),
        });
    }
    let table = Table {
        runs,
        with_dag,
        empty,
    };
    Ok(render("runs_table.html", &table))
}

/// The DAGs that there are, and those that have runs.
async fn dags(app: &App) -> Result<BTreeSet<DagId>, Trouble> {
    let mut dags: BTreeSet<DagId> = app.store.dags().await?.into_iter().collect();
    let snapshot = app.snapshot();
    let project = snapshot.project.iter();
    dags.extend(project.flat_map(|one| one.pipelines.keys().cloned()));
    Ok(dags)
}

/// DAGs that somebody may mean who has typed a part of their names.
fn near(dags: &BTreeSet<DagId>, part: &str, state: &str) -> Vec<Choice> {
    let found = dags
        .iter()
        .filter(|dag| !part.is_empty() && dag.as_str().to_lowercase().contains(part));
    found
        .take(NEAR)
        .map(|dag| Choice {
            name: dag.to_string(),
            link: link(dag.as_str(), state, ""),
            on: false,
        })
        .collect()
}

fn filters(asked: &Asked) -> Vec<Choice> {
    let current = if asked.state.is_empty() {
        "all"
    } else {
        &asked.state
    };
    FILTERS
        .iter()
        .map(|(name, _)| Choice {
            name: (*name).to_owned(),
            link: link(&asked.q, if *name == "all" { "" } else { name }, ""),
            on: current == *name,
        })
        .collect()
}

fn link(query: &str, state: &str, before: &str) -> String {
    let parts = [("q", query), ("state", state), ("before", before)];
    let parts = parts.iter().filter(|(_, value)| !value.is_empty());
    let parts: Vec<String> = parts
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    if parts.is_empty() {
        "/runs".to_owned()
    } else {
        format!("/runs?{}", parts.join("&"))
    }
}
