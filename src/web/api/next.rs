//! What will run when, and why something doesn't run.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::Search;
use super::{dag, project};
use crate::daemon::schedule::{DaemonLock, look};
use crate::model::Timestamp;
use crate::operate::next::{Coming, coming, other};
use crate::operate::why::Told;
use crate::operate::{find, why_run};
use crate::web::describe::Describe;
use crate::web::route::{Needs, Route};
use crate::web::{App, Problem};

/// So many runs are told when nobody says how many.
const COUNT: usize = 100;
/// And no more than so many.
const MOST: usize = 10_000;

/// What will run when.
pub(super) const NEXT: Route = Route::get("/api/v1/next", Needs::Read, || get(next)).about(
    Describe::new(
        "schedule",
        "The next runs that begin by themselves, in their order",
    )
    .query(&["dag", "from/time", "until", "limit/next"])
    .text("application/json"),
);

/// Why a DAG doesn't begin a run.
pub(super) const WHY_DAG: Route =
    Route::get("/api/v1/dags/{dag}/why", Needs::Read, || get(why_of_dag)).about(
        Describe::new("schedule", "Why a DAG doesn't begin a run now").text("application/json"),
    );

/// Why a run's tasks don't run.
pub(super) const WHY_RUN: Route = Route::get("/api/v1/runs/{run}/why", Needs::Read, || {
    get(why_of_run)
})
.about(
    Describe::new(
        "runs",
        "Why the tasks of a run don't run, or how they ended; of one task with its items when it is \
         named",
    )
    .query(&["task"])
    .text("application/json"),
);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    dag: Option<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: Option<usize>,
}

async fn next(
    State(app): State<Arc<App>>,
    Search(asked): Search<Asked>,
) -> Result<Json<Value>, Problem> {
    let snapshot = app.snapshot();
    let project = project(&snapshot)?;
    let limit = asked.limit.unwrap_or(COUNT);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::bad(format!("`limit` is from 1 to {MOST}")));
    }
    let mut pipelines = Vec::new();
    match &asked.dag {
        Some(names) => {
            for name in names.split(',') {
                pipelines.push(dag::pipeline(&snapshot, project, name)?.clone());
            }
        }
        None => pipelines.extend(project.pipelines.values().cloned()),
    }
    // A tick at that very moment is one to come.
    let after = asked.from.map(|from| from - TimeDelta::microseconds(1));
    let looked = look(Some(app.store.as_ref()), &project.pipelines, app.now()).await?;
    let coming = coming(&looked, &pipelines, after, asked.until, limit);
    let runs: Vec<Value> = coming.iter().map(Coming::json).collect();
    let others = pipelines
        .iter()
        .filter_map(|pipeline| other(&looked, pipeline));
    let others: Vec<Value> = others.map(|other| other.json()).collect();
    let daemon = DaemonLock::holder(&app.places.state).is_some();
    Ok(Json(
        json!({ "runs": runs, "others": others, "daemon": daemon }),
    ))
}

async fn why_of_dag(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let snapshot = app.snapshot();
    let project = project(&snapshot)?;
    let pipeline = dag::pipeline(&snapshot, project, &name)?;
    let (state, store, now) = (&app.places.state, app.store.as_ref(), app.now());
    let looked = look(Some(store), &project.pipelines, now).await?;
    let mut told = Told::new(state, pipeline, &looked, now);
    told.read(state, store).await?;
    Ok(Json(told.json()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfTask {
    task: Option<String>,
}

async fn why_of_run(
    State(app): State<Arc<App>>,
    Path(run): Path<String>,
    Search(asked): Search<OfTask>,
) -> Result<Json<Value>, Problem> {
    let snapshot = app.snapshot();
    let (project, store) = (project(&snapshot)?, app.store.as_ref());
    let row = find::run_of_id(store, &run).await?;
    let run = find::look_at(&app.places.state, store, row).await?;
    let version = find::version(store, &run.0).await?;
    let task = asked.task.as_deref();
    let task = task.map(|task| find::task(&version, task)).transpose()?;
    let told = why_run::Asked::read(project, store, run, app.now()).await?;
    let lines = match task {
        Some(task) => told.lines_of(task),
        None => told.lines(),
    };
    Ok(Json(told.json(&lines)))
}
