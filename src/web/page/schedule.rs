//! What is to come: the next day as the scheduler itself would carry it out, run forward.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use chrono::TimeDelta;
use serde::Serialize;

use super::frame::{Page, Place, Trouble, Visitor};
use super::template::{Markup, markup, render};
use super::view::{self, When};
use crate::daemon::schedule::{look, plan_of};
use crate::engine::simulation::{Actor, Foreseen, ForeseenRun, simulate_runs};
use crate::model::{DagId, Schedule, Timestamp};
use crate::operate::durations::Durations;
use crate::operate::moment;
use crate::operate::next::coming;
use crate::operate::tone::Tone;
use crate::operate::words::plural;
use crate::spec::Pipeline;
use crate::web::App;
use crate::web::draw::{Stretch, lane, scale};
use crate::web::route::{Needs, Route};

pub(super) const SCHEDULE: Route = Route::get("/schedule", Needs::Read, || get(schedule));

/// DAGs that take part, and ticks that are listed.
const DAGS: usize = 100;
const NEXT: usize = 25;
/// Runs after which it ends, so that a page stays one.
const RUNS: usize = 10_000;
/// Runs of a DAG that are drawn one by one; of more those are one bar that no eye could tell apart:
/// a day's lane has about a pixel for two minutes.
const APART: usize = 100;
const CLOSE: TimeDelta = TimeDelta::minutes(3);

#[derive(Serialize)]
struct View {
    scale: Markup,
    lanes: Vec<Row>,
    next: Vec<Next>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    dag: String,
    lane: Markup,
    about: String,
    late: usize,
}

#[derive(Serialize)]
struct Next {
    dag: String,
    at: When,
}

async fn schedule(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Trouble> {
    let now = app.now();
    let until = now + TimeDelta::hours(24);
    let snapshot = app.snapshot();
    let mut view = View {
        scale: markup(scale(&hours(now, until), (now, until))),
        lanes: Vec::new(),
        next: Vec::new(),
        notes: Vec::new(),
    };
    if let Some(project) = &snapshot.project {
        let store = app.store.as_ref();
        let pipelines: Vec<Arc<Pipeline>> = project
            .pipelines
            .values()
            .filter(|one| one.begins_by_itself())
            .take(DAGS)
            .cloned()
            .collect();
        let named: BTreeMap<DagId, Arc<Pipeline>> = pipelines
            .iter()
            .map(|one| (one.id.clone(), one.clone()))
            .collect();
        let looked = look(Some(store), &named, now).await?;
        let next = coming(&looked, &pipelines, None, None, NEXT);
        view.next = next
            .into_iter()
            .map(|one| Next {
                dag: one.dag.to_string(),
                at: view::ahead(one.start, now),
            })
            .collect();
        let playing: Vec<Arc<Pipeline>> = pipelines
            .iter()
            .filter(|one| one.schedule != Some(Schedule::Always))
            .filter(|one| !looked.planner.is_paused(&one.id))
            .cloned()
            .collect();
        let mut durations = Durations::read(&[], &playing)?;
        durations.remember(store, &playing).await?;
        let actors: Vec<Actor> = playing
            .iter()
            .map(|one| Actor {
                plan: plan_of(one),
                dag: one.dag.clone(),
                parts: durations.parts(one),
            })
            .collect();
        let limits = project.settings.limits.clone();
        let foreseen =
            tokio::task::spawn_blocking(move || simulate_runs(actors, &limits, (now, until), RUNS))
                .await;
        let foreseen = foreseen.map_err(|error| Trouble::Broken(error.to_string()))?;
        let mut fates = fates(&foreseen);
        view.lanes = playing
            .iter()
            .filter_map(|one| Some(row(&one.id, &fates.remove(&one.id)?, (now, until))))
            .collect();
        view.notes = notes(&pipelines, &playing, &durations, &foreseen);
    }
    let page = Page {
        title: "Schedule",
        place: Place::Schedule,
        live: None,
        body: render("schedule.html", &view),
    };
    Ok(page.show(&app, &visitor))
}

/// The full hours, every third with its time on the clock of this machine.
fn hours(from: Timestamp, until: Timestamp) -> Vec<(Timestamp, String)> {
    use chrono::{DurationRound as _, Timelike as _};
    let hour = TimeDelta::hours(1);
    let Ok(mut at) = from.duration_trunc(hour) else {
        return Vec::new();
    };
    let mut ticks = Vec::new();
    while at <= until {
        let local = moment::local(at);
        if at >= from && local.hour().is_multiple_of(3) {
            ticks.push((at, local.format("%H:%M").to_string()));
        }
        at += hour;
    }
    ticks
}

/// What is foreseen of one DAG.
#[derive(Default)]
struct Fate<'a> {
    runs: Vec<&'a ForeseenRun>,
    skipped: u64,
    late: usize,
}

fn fates(foreseen: &Foreseen) -> BTreeMap<&DagId, Fate<'_>> {
    let mut fates: BTreeMap<&DagId, Fate<'_>> = BTreeMap::new();
    for run in &foreseen.runs {
        fates.entry(&run.dag).or_default().runs.push(run);
    }
    for skip in &foreseen.skipped {
        fates.entry(&skip.dag).or_default().skipped += skip.count;
    }
    for late in &foreseen.late {
        fates.entry(&late.dag).or_default().late += 1;
    }
    fates
}

fn row(dag: &DagId, fate: &Fate<'_>, span: (Timestamp, Timestamp)) -> Row {
    let runs = &fate.runs;
    let stretches: Vec<Stretch> = if runs.len() > APART {
        let end = |run: &ForeseenRun| run.ended.map_or(span.1, |(_, at)| at);
        let close = |one: &&ForeseenRun, next: &&ForeseenRun| next.begun - end(one) < CLOSE;
        let bars = runs.chunk_by(close);
        bars.map(|bar| together(bar, span)).collect()
    } else {
        runs.iter().flat_map(|run| alone(run, span)).collect()
    };
    let mut about = vec![plural(runs.len(), "run", "runs")];
    if fate.skipped > 0 {
        about.push(format!("{} skipped", fate.skipped));
    }
    Row {
        dag: dag.to_string(),
        lane: markup(lane(&stretches, span)),
        about: about.join(", "),
        late: fate.late,
    }
}

/// A run, and before it how long it waits.
fn alone(run: &ForeseenRun, span: (Timestamp, Timestamp)) -> Vec<Stretch> {
    let until = run.ended.map_or(span.1, |(_, at)| at);
    let starts = moment::exact(run.begun, span.0);
    let waits = run.begun > run.occurrence.tick;
    let waited = waits.then(|| Stretch {
        from: run.occurrence.tick,
        until: run.begun,
        tone: None,
        title: format!("waits {}", moment::took(run.occurrence.tick, run.begun)),
    });
    let runs = Stretch {
        from: run.begun,
        until,
        tone: Some(Tone::Success),
        title: format!("{starts} for {}", moment::took(run.begun, until)),
    };
    waited.into_iter().chain([runs]).collect()
}

/// Runs that are too close together to be told apart.
fn together(runs: &[&ForeseenRun], span: (Timestamp, Timestamp)) -> Stretch {
    let from = runs.first().map_or(span.0, |run| run.begun);
    let ends = runs
        .iter()
        .map(|run| run.ended.map_or(span.1, |(_, at)| at));
    let until = ends.max().unwrap_or(from);
    let starts = moment::exact(from, span.0);
    Stretch {
        from,
        until,
        tone: Some(Tone::Success),
        title: format!(
            "{starts} for {}: {}",
            moment::took(from, until),
            plural(runs.len(), "run", "runs")
        ),
    }
}

fn notes(
    all: &[Arc<Pipeline>],
    playing: &[Arc<Pipeline>],
    durations: &Durations,
    foreseen: &Foreseen,
) -> Vec<String> {
    let mut notes = Vec::new();
    let left_out: Vec<&str> = all
        .iter()
        .filter(|one| !playing.iter().any(|other| other.id == one.id))
        .map(|one| one.id.as_str())
        .collect();
    if !left_out.is_empty() {
        notes.push(format!(
            "Left out, as paused or a stream: {}.",
            left_out.join(", ")
        ));
    }
    let guessed = durations.guessed().len();
    if guessed > 0 {
        notes.push(format!(
            "Durations are those of the latest runs; of {} nobody knows, 10 s are taken.",
            plural(guessed, "task", "tasks")
        ));
    }
    if let Some(cut) = foreseen.cut {
        let at = moment::local(cut).format("%H:%M");
        notes.push(format!("Too much happens for one look: it ends at {at}."));
    }
    notes
}
