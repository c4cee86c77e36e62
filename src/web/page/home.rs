//! All DAGs at a glance: how they ran, when they run next, what runs now, what has failed.

mod broken;
mod failures;
mod running;

pub(super) use failures::failures;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};

use self::broken::{Broken, broken};
use self::running::{Running, running, running_of};
use super::frame::{Page, Place, Trouble, Visitor};
use super::template::{Markup, markup, render};
use super::view::{self, When, encoded, seconds};
use crate::daemon::schedule::look;
use crate::engine::plan::Waiting;
use crate::model::{DagId, RunState, Timestamp};
use crate::operate::find::look_at;
use crate::operate::tone::Tone;
use crate::operate::why::starts;
use crate::operate::words::plural;
use crate::spec::Pipeline;
use crate::store::{RunRow, StoreError};
use crate::web::App;
use crate::web::app::Snapshot;
use crate::web::draw::{Bar, bars};
use crate::web::route::{Needs, Route};

pub(super) const HOME: Route = Route::get("/", Needs::Read, || get(home));

/// DAGs of a page.
const PAGE: usize = 50;
/// Runs shown as bars.
const BARS: u32 = 14;
/// Runs that run now, and failures, in the column at the side.
const RUNNING: usize = 12;
const FAILURES: u32 = 6;

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    /// `running`, `failed`, `paused`; everything else: all.
    #[serde(default)]
    show: String,
    #[serde(default)]
    page: usize,
    /// A DAG that was paused just now.
    paused: Option<String>,
}

#[derive(Serialize)]
struct Home<'a> {
    summary: String,
    broken: Vec<Broken>,
    query: &'a str,
    filters: Vec<Choice>,
    filtered: bool,
    dags: Vec<Dag>,
    pages: Vec<Choice>,
    running: Vec<Running>,
    running_count: usize,
    failures: Markup,
    csrf: &'a str,
    /// A DAG that was paused just now, which can be undone.
    undo: Option<&'a DagId>,
}

/// A way to look at a list.
#[derive(Serialize)]
pub(super) struct Choice {
    pub(super) name: String,
    pub(super) link: String,
    pub(super) on: bool,
}

#[derive(Serialize)]
struct Dag {
    id: String,
    about: String,
    tags: Vec<String>,
    /// What the search looks through.
    words: String,
    starts: String,
    paused: bool,
    can_pause: bool,
    bars: Markup,
    last: Option<Last>,
    next: Option<When>,
    waits: &'static str,
}

#[derive(Serialize)]
struct Last {
    run: String,
    state: view::State,
    at: When,
    took: String,
}

async fn home(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let now = app.now();
    let snapshot = app.snapshot();
    let pipelines: Vec<&Arc<Pipeline>> = snapshot
        .project
        .iter()
        .flat_map(|project| project.pipelines.values())
        .collect();
    let total = pipelines.len();
    let running = running(&app).await?;
    let paused: Vec<DagId> = app
        .store
        .schedules()
        .await?
        .into_iter()
        .filter_map(|row| row.paused.then_some(row.dag))
        .collect();
    let failed = match asked.show.as_str() {
        "failed" => failed(&app, &pipelines).await?,
        _ => BTreeSet::new(),
    };
    let mut chosen = Vec::new();
    for pipeline in pipelines {
        let fits = match asked.show.as_str() {
            "running" => running.iter().any(|(run, _)| run.dag == pipeline.id),
            "paused" => paused.contains(&pipeline.id),
            "failed" => failed.contains(&pipeline.id),
            _ => true,
        };
        let words = words_of(pipeline);
        let query = asked.q.to_lowercase();
        if fits && query.split_whitespace().all(|word| words.contains(word)) {
            chosen.push(pipeline.clone());
        }
    }
    let found = chosen.len();
    let shown = chosen.into_iter().skip(asked.page * PAGE).take(PAGE);
    let shown: BTreeMap<DagId, Arc<Pipeline>> = shown
        .map(|pipeline| (pipeline.id.clone(), pipeline))
        .collect();
    let looked = look(Some(app.store.as_ref()), &shown, now).await?;
    let mut latest = latest(&app, &shown).await?;
    let mut dags = Vec::with_capacity(shown.len());
    for pipeline in shown.values() {
        let runs = latest.remove(&pipeline.id).unwrap_or_default();
        let mut row = dag(&app, pipeline, runs, now).await?;
        row.paused = paused.contains(&pipeline.id);
        row.can_pause = visitor.may_run && has_clock(pipeline);
        let next = looked.planner.upcoming(&pipeline.id, None).next();
        row.next = next
            .filter(|_| !row.paused)
            .map(|(start, _)| view::ahead(start, now));
        row.waits = waits(looked.planner.why(&pipeline.id).as_ref());
        dags.push(row);
    }
    let failures = failures(&app, None, FAILURES, now).await?;
    let running_count = running.len();
    let mut shown_running = Vec::new();
    for (run, interrupted) in running.into_iter().take(RUNNING) {
        shown_running.push(running_of(&app, &run, interrupted, now).await?);
    }
    let view = Home {
        summary: summary(total, &snapshot, running_count),
        broken: broken(&snapshot),
        query: &asked.q,
        filters: filters(&asked),
        filtered: !asked.q.is_empty() || !asked.show.is_empty(),
        dags,
        pages: pages(&asked, found),
        running: shown_running,
        running_count,
        failures,
        csrf: &visitor.csrf,
        undo: paused
            .iter()
            .find(|dag| asked.paused.as_deref() == Some(dag.as_str())),
    };
    let page = Page {
        title: "DAGs",
        place: Place::Dags,
        live: Some("/live/home".to_owned()),
        body: render("home.html", &view),
    };
    Ok(page.show(&app, &visitor))
}

fn summary(total: usize, snapshot: &Snapshot, running: usize) -> String {
    let mut words = vec![plural(total, "DAG", "DAGs")];
    if running > 0 {
        words.push(format!("{} now", plural(running, "run", "runs")));
    }
    if !snapshot.broken.is_empty() {
        words.push(plural(snapshot.broken.len(), "broken file", "broken files"));
    }
    words.join(", ")
}

/// Whether anything but a person begins it: what can be paused.
fn has_clock(pipeline: &Pipeline) -> bool {
    pipeline.begins_by_itself()
}

fn words_of(pipeline: &Pipeline) -> String {
    let mut words = vec![pipeline.id.to_string()];
    words.extend(pipeline.tags.iter().cloned());
    words.extend(pipeline.owner.clone());
    words.extend(pipeline.description.clone());
    words.join(" ").to_lowercase()
}

/// The DAGs whose latest run has failed.
async fn failed(app: &App, pipelines: &[&Arc<Pipeline>]) -> Result<BTreeSet<DagId>, StoreError> {
    let dags: Vec<DagId> = pipelines.iter().map(|one| one.id.clone()).collect();
    let latest = app.store.latest_runs(&dags, 1, false).await?;
    let failed = latest
        .into_iter()
        .filter(|run| run.state == RunState::Failed);
    Ok(failed.map(|run| run.dag).collect())
}

/// The latest runs of each of the DAGs, newest first.
async fn latest(
    app: &App,
    shown: &BTreeMap<DagId, Arc<Pipeline>>,
) -> Result<BTreeMap<DagId, Vec<RunRow>>, StoreError> {
    let dags: Vec<DagId> = shown.keys().cloned().collect();
    let mut latest: BTreeMap<DagId, Vec<RunRow>> = BTreeMap::new();
    for run in app.store.latest_runs(&dags, BARS, false).await? {
        latest.entry(run.dag.clone()).or_default().push(run);
    }
    Ok(latest)
}

async fn dag(
    app: &App,
    pipeline: &Pipeline,
    latest: Vec<RunRow>,
    now: Timestamp,
) -> Result<Dag, Trouble> {
    let mut runs = Vec::new();
    for run in latest {
        runs.push(look_at(&app.places.state, app.store.as_ref(), run).await?);
    }
    let last = runs.first().map(|(run, interrupted)| Last {
        run: run.id.to_string(),
        state: Tone::of_run(run.state, *interrupted).into(),
        at: view::when(run.finished.or(run.started).unwrap_or(run.created), now),
        took: view::took(run, *interrupted, now),
    });
    let most = usize::try_from(BARS).unwrap_or(usize::MAX);
    let drawn: Vec<Bar> = runs
        .iter()
        .rev()
        .map(|(run, interrupted)| bar(run, *interrupted, now))
        .collect();
    let mut about = Vec::new();
    about.extend(pipeline.owner.clone());
    about.extend(
        pipeline
            .description
            .as_deref()
            .map(|text| text.trim().to_owned()),
    );
    Ok(Dag {
        id: pipeline.id.to_string(),
        about: about.join(" · "),
        tags: pipeline.tags.clone(),
        words: words_of(pipeline),
        starts: starts(pipeline),
        paused: false,
        can_pause: false,
        bars: markup(bars(&drawn, (7.0, 22.0), most)),
        last,
        next: None,
        waits: "",
    })
}

/// A run as a bar.
pub(super) fn bar(run: &RunRow, interrupted: bool, now: Timestamp) -> Bar {
    let tone = Tone::of_run(run.state, interrupted);
    let took = view::took(run, interrupted, now);
    let at = crate::operate::moment::exact(run.created, now);
    let end = run.finished.unwrap_or(now);
    Bar {
        tone,
        seconds: run.started.map(|started| seconds(started, end)),
        title: format!("{at}: {} {took}", tone.word())
            .trim_end()
            .to_owned(),
        link: format!("/runs/{}", run.id),
    }
}

fn waits(waiting: Option<&Waiting>) -> &'static str {
    match waiting {
        Some(Waiting::Paused) => "paused",
        Some(Waiting::Over) => "over",
        Some(Waiting::Running { .. }) => "after the run",
        Some(Waiting::Past { .. }) => "after a success",
        Some(Waiting::Streaming(_)) => "a stream",
        Some(Waiting::Others { .. }) => "after others",
        _ => "",
    }
}

fn filters(asked: &Asked) -> Vec<Choice> {
    let all = [
        ("", "all"),
        ("running", "running"),
        ("failed", "failed"),
        ("paused", "paused"),
    ];
    all.iter()
        .map(|(show, name)| Choice {
            name: (*name).to_owned(),
            link: link(&asked.q, show, 0),
            on: asked.show == *show,
        })
        .collect()
}

fn pages(asked: &Asked, found: usize) -> Vec<Choice> {
    if found <= PAGE {
        return Vec::new();
    }
    (0..found.div_ceil(PAGE))
        .map(|page| Choice {
            name: (page + 1).to_string(),
            link: link(&asked.q, &asked.show, page),
            on: page == asked.page,
        })
        .collect()
}

fn link(query: &str, show: &str, page: usize) -> String {
    let mut parts = Vec::new();
    if !query.is_empty() {
        parts.push(format!("q={}", encoded(query)));
    }
    if !show.is_empty() {
        parts.push(format!("show={show}"));
    }
    if page > 0 {
        parts.push(format!("page={page}"));
    }
    if parts.is_empty() {
        "/".to_owned()
    } else {
        format!("/?{}", parts.join("&"))
    }
}
