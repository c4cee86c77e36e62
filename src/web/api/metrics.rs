//! Metrics for Prometheus. A scrape costs what there is now, and not what there was: the past is
//! counted while it happens.

mod counted;
mod exposition;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use self::counted::{LABELLED, OTHERS, counted};
use self::exposition::{Exposition, float, seconds};
use self::process::{process, state_bytes};
use crate::daemon::schedule::{DaemonLock, look};
use crate::engine::plan::Decision;
use crate::model::{DagId, RunState, Timestamp};
use crate::spec::{Pipeline, Project};
use crate::store::{RunRow, Stage};
use crate::web::describe::Describe;
use crate::web::route::{Needs, Route};
use crate::web::{App, Problem};

/// What Prometheus collects.
pub(super) const SHOW: Route = Route::get("/metrics", Needs::Read, || get(show))
    .about(Describe::new("api", "Metrics for Prometheus").text("text/plain"));

fn number(flag: bool) -> f64 {
    if flag { 1.0 } else { 0.0 }
}

/// From a moment until another one, in seconds; 0 when the clock was set back.
fn between(from: Timestamp, until: Timestamp) -> f64 {
    let micros = (until - from).num_microseconds().unwrap_or(i64::MAX);
    seconds(u64::try_from(micros).unwrap_or(0))
}

/// Seconds since the epoch.
fn moment(at: Timestamp) -> f64 {
    seconds(u64::try_from(at.timestamp_micros()).unwrap_or(0))
}

async fn show(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Problem> {
    let began = Instant::now();
    let now = app.now();
    let snapshot = app.snapshot();
    let mut text = Exposition::default();
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    let mut family = text.family("runner_info", "gauge", "The program's version.");
    family.value(&version, 1.0);
    text.gauge(
        "runner_scheduler_up",
        "Whether a daemon schedules the project.",
        number(DaemonLock::holder(&app.places.state).is_some()),
    );
    let broken = snapshot.broken.len() as u64;
    text.gauge(
        "runner_files_broken",
        "Pipeline files with mistakes.",
        float(broken),
    );
    let nothing = BTreeMap::new();
    let pipelines = match &snapshot.project {
        Some(project) => &project.pipelines,
        None => &nothing,
    };
    let all = pipelines.len() as u64;
    text.gauge("runner_dags", "DAGs without mistakes.", float(all));
    let labelled: BTreeSet<&DagId> = pipelines.keys().take(LABELLED).collect();
    unfinished(&app, &labelled, &mut text).await?;
    if let Some(project) = &snapshot.project {
        at_work(&app, project, &mut text).await?;
        schedules(&app, project, now, &mut text).await?;
        last_runs(&app, &labelled, &mut text).await?;
    }
    counted(&mut text, &app.store.tallies().await?, &labelled);
    store(&app, &mut text).await?;
    process(&mut text);
    text.gauge(
        "runner_scrape_seconds",
        "How long it took to find all this out.",
        began.elapsed().as_secs_f64(),
    );
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text.text()))
}

/// Runs that have not ended.
async fn unfinished(
    app: &App,
    labelled: &BTreeSet<&DagId>,
    text: &mut Exposition,
) -> Result<(), Problem> {
    let owners = app.store.owners().await?;
    let ids: Vec<_> = owners.into_iter().map(|(_, run, _)| run).collect();
    let rows = app.store.runs_by_id(&ids).await?;
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.state.is_finished()) {
        let dag = if labelled.contains(&row.dag) {
            row.dag.as_str()
        } else {
            OTHERS
        };
        *counts.entry((dag, row.state.as_str())).or_default() += 1;
    }
    let mut family = text.family(
        "runner_runs_unfinished",
        "gauge",
        "Runs that have not ended, by state.",
    );
    for ((dag, state), runs) in counts {
        family.value(&[("dag", dag), ("state", state)], float(runs));
    }
    Ok(())
}

/// The queue, and who is in it.
async fn at_work(app: &App, project: &Project, text: &mut Exposition) -> Result<(), Problem> {
    let mut stages: BTreeMap<Stage, u64> = Stage::ALL.map(|(stage, _)| (stage, 0)).into();
    let limits = &project.settings.limits;
    // Slots in use and tasks that wait, by pool.
    let mut pools: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for pool in limits.pools.keys() {
        pools.insert(pool.as_str(), (0, 0));
    }
    let current = project.pipelines.values();
    let mut known: BTreeMap<String, Option<Arc<Pipeline>>> = current
        .map(|one| (one.version.hash.clone(), Some(one.clone())))
        .collect();
    let rows = app.store.at_work().await?;
    for row in &rows {
        *stages.entry(row.stage).or_default() += row.count;
        if !known.contains_key(&row.version) {
            let version = app.store.version(&row.version).await?;
            let pinned = version.and_then(|version| project.pinned(&version).ok());
            known.insert(row.version.clone(), pinned);
        }
    }
    for row in &rows {
        let pipeline = known.get(&row.version).and_then(Option::as_ref);
        let shape = pipeline.and_then(|one| one.dag.tasks.get(row.task.get()));
        let Some((pool, slots)) = shape.and_then(|shape| shape.pool.as_ref()) else {
            continue;
        };
        // A pool without a limit isn't there.
        let Some((used, waiting)) = pools.get_mut(pool.as_str()) else {
            continue;
        };
        match row.stage {
            Stage::Running => *used += row.count * u64::from(*slots),
            Stage::Ready => *waiting += row.count,
            Stage::RetryWait => {}
        }
    }
    let mut family = text.family(
        "runner_tasks",
        "gauge",
        "Tasks at work: running, ready (the queue), or waiting to be tried again.",
    );
    for (stage, count) in stages {
        family.value(&[("stage", stage.word())], float(count));
    }
    if let Some(most) = limits.max_active_tasks {
        let help = "Most tasks at a time.";
        text.gauge("runner_tasks_limit", help, float(u64::from(most)));
    }
    let mut family = text.family("runner_pool_slots", "gauge", "Slots of a pool.");
    for (pool, slots) in &limits.pools {
        family.value(&[("pool", pool.as_str())], float(u64::from(*slots)));
    }
    let help = "Slots of a pool in use.";
    let mut family = text.family("runner_pool_slots_used", "gauge", help);
    for (pool, (used, _)) in &pools {
        family.value(&[("pool", pool)], float(*used));
    }
    let help = "Tasks that wait for slots of a pool.";
    let mut family = text.family("runner_pool_tasks_waiting", "gauge", help);
    for (pool, (_, waiting)) in &pools {
        family.value(&[("pool", pool)], float(*waiting));
    }
    Ok(())
}

/// What is to come, and what should have.
async fn schedules(
    app: &App,
    project: &Project,
    now: Timestamp,
    text: &mut Exposition,
) -> Result<(), Problem> {
    let looked = look(Some(app.store.as_ref()), &project.pipelines, now).await?;
    let dags = || project.pipelines.keys().take(LABELLED);
    let help = "Whether a DAG's schedule is held.";
    let mut family = text.family("runner_dag_paused", "gauge", help);
    for dag in dags() {
        let paused = looked.planner.is_paused(dag);
        family.value(&[("dag", dag.as_str())], number(paused));
    }
    let help = "When a DAG begins by itself next.";
    let mut family = text.family("runner_dag_next_run_timestamp_seconds", "gauge", help);
    for dag in dags() {
        if let Some((start, _)) = looked.planner.upcoming(dag, None).next() {
            family.value(&[("dag", dag.as_str())], moment(start));
        }
    }
    let mut late: BTreeMap<&DagId, f64> = BTreeMap::new();
    let mut most: f64 = 0.0;
    for decision in &looked.due {
        if let Decision::Start { dag, occurrence } = decision {
            let own = between(occurrence.tick, now);
            let known = late.entry(dag).or_default();
            *known = known.max(own);
            most = most.max(own);
        }
    }
    let help = "For how long a run has been due that hasn't begun.";
    let mut family = text.family("runner_dag_lateness_seconds", "gauge", help);
    for (dag, late) in late.iter().take(LABELLED) {
        family.value(&[("dag", dag.as_str())], *late);
    }
    text.gauge(
        "runner_lateness_seconds",
        "For how long the run has been due that is most overdue; 0 when none is.",
        most,
    );
    Ok(())
}

/// What is said of a run; `None`: nothing.
type Value = fn(&RunRow) -> Option<f64>;

/// How the last run of each DAG that is over has ended.
async fn last_runs(
    app: &App,
    labelled: &BTreeSet<&DagId>,
    text: &mut Exposition,
) -> Result<(), Problem> {
    let dags: Vec<DagId> = labelled.iter().copied().cloned().collect();
    let mut rows = app.store.latest_runs(&dags, 1, true).await?;
    rows.sort_by(|one, other| one.dag.cmp(&other.dag));
    let families: [(&str, &str, Value); 4] = [
        (
            "runner_last_run_success",
            "Whether a DAG's last run that is over succeeded.",
            |run| Some(number(run.state == RunState::Success)),
        ),
        (
            "runner_last_run_finished_timestamp_seconds",
            "When it ended.",
            |run| run.finished.map(moment),
        ),
        (
            "runner_last_run_duration_seconds",
            "How long it took.",
            |run| Some(between(run.started?, run.finished?)),
        ),
        (
            "runner_last_run_queued_seconds",
            "How long it waited before its first task.",
            |run| Some(between(run.created, run.started?)),
        ),
    ];
    for (name, help, value) in families {
        let mut family = text.family(name, "gauge", help);
        for run in &rows {
            if let Some(value) = value(run) {
                family.value(&[("dag", run.dag.as_str())], value);
            }
        }
    }
    Ok(())
}

/// How the run state is doing.
async fn store(app: &App, text: &mut Exposition) -> Result<(), Problem> {
    let began = Instant::now();
    let notices = app.store.notices().await?.len() as u64;
    text.gauge(
        "runner_store_read_seconds",
        "How long a read of the run state took just now.",
        began.elapsed().as_secs_f64(),
    );
    text.gauge(
        "runner_notices_waiting",
        "Messages to people that aren't taken yet.",
        float(notices),
    );
    text.gauge(
        "runner_store_bytes",
        "Bytes of the run state's files.",
        float(state_bytes(&app.places.state)),
    );
    text.counter(
        "runner_telemetry_dropped_total",
        "Spans and lines of logs that this process has dropped, because no collector took them.",
        float(crate::telemetry::dropped()),
    );
    if let Some(times) = app.store.commit_times() {
        let mut family = text.family(
            "runner_store_commit_seconds",
            "histogram",
            "How long commits of this process took, until they were durable.",
        );
        let micros = u64::try_from(times.total().as_micros()).unwrap_or(u64::MAX);
        family.histogram(&[], times.buckets(), micros);
        text.counter(
            "runner_store_commit_failures_total",
            "Commits of this process that failed.",
            float(times.failures()),
        );
    }
    Ok(())
}
