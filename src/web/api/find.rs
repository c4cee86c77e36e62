//! Which run a name means.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde::Deserialize;

use super::extract::Search;
use super::run::now;
use crate::model::DagId;
use crate::operate::find::{no_run, run_if_any};
use crate::operate::shape::Run;
use crate::web::describe::{Describe, of};
use crate::web::route::{Needs, Route};
use crate::web::{App, Problem};

/// The run of a name.
pub(super) const SHOW: Route = Route::get("/api/v1/find", Needs::Read, || get(show)).about(
    Describe::new(
        "runs",
        "The run that a name means: an id, a part of one, `latest`, or a DAG, whose latest run it is",
    )
    .query(&["name"])
    .gives(of::<Run>),
);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
}

async fn show(
    State(app): State<Arc<App>>,
    Search(asked): Search<Asked>,
) -> Result<Json<Run>, Problem> {
    let store = app.store.as_ref();
    if let Some(row) = run_if_any(store, &asked.name, app.now()).await? {
        return Ok(Json(now(&app, row).await?));
    }
    let snapshot = app.snapshot();
    let read = snapshot
        .project
        .iter()
        .flat_map(|project| project.pipelines.keys());
    let broken = snapshot.broken.iter().filter_map(|(_, dag)| dag.as_deref());
    let dags: Vec<&str> = read.map(DagId::as_str).chain(broken).collect();
    Err(no_run(store, &asked.name, &dags).await?.into())
}
