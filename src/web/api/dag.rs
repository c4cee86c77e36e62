//! DAGs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Value, json};

use crate::web::App;
use crate::web::route::{Needs, Route};

/// All DAGs.
pub(super) const LIST: Route = Route::get("/api/v1/dags", Needs::Read, || get(list));

async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    let snapshot = app.snapshot();
    let pipelines = snapshot.project.iter().flat_map(|p| p.pipelines.keys());
    let dags: Vec<&str> = pipelines.map(crate::model::DagId::as_str).collect();
    Json(json!({ "dags": dags }))
}
