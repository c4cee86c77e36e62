//! What will run when, and why something doesn't run.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::Search;
use super::{Limit, dag, project};
use crate::daemon::schedule::look;
use crate::operate::next::{Coming, coming, other};
use crate::operate::why::Told;
use crate::operate::{find, why_run};
use crate::web::describe::Describe;
use crate::web::route::{Needs, Route};
use crate::web::{App, Problem};

/// What will run when.
pub(super) const NEXT: Route = Route::get("/api/v1/next", Needs::Read, || get(next)).about(
    Describe::new(
        "schedule",
        "The next runs that begin by themselves, in their order",
    )
    .query(&["dag", "limit"])
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
    #[serde(default)]
    limit: Limit,
}

async fn next(
    State(app): State<Arc<App>>,
    Search(asked): Search<Asked>,
) -> Result<Json<Value>, Problem> {
    let snapshot = app.snapshot();
    let project = project(&snapshot)?;
    let pipelines = match &asked.dag {
        Some(name) => vec![dag::pipeline(&snapshot, project, name)?.clone()],
        None => project.pipelines.values().cloned().collect(),
    };
    let looked = look(Some(app.store.as_ref()), &project.pipelines, app.now()).await?;
    let coming = coming(&looked, &pipelines, None, None, asked.limit.get());
    let runs: Vec<Value> = coming.iter().map(Coming::json).collect();
    let others = pipelines
        .iter()
        .filter_map(|pipeline| other(&looked, pipeline));
    let others: Vec<Value> = others.map(|other| other.json()).collect();
    Ok(Json(json!({ "runs": runs, "others": others })))
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
