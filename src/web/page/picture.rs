//! The picture that a task has drawn, as it is kept with its run.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::frame::Trouble;
use super::task::{Asked, Found};
use crate::web::App;
use crate::web::route::{Needs, Route};

pub(super) const PICTURE: Route =
    Route::get("/runs/{run}/tasks/{task}/picture", Needs::Read, || {
        get(picture)
    });

async fn picture(
    State(app): State<Arc<App>>,
    Path((run, task)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let found = Found::read(&app, &run, &task, asked.item).await?;
    let path = found.picture(&app, asked.item, found.attempt(&asked));
    let missing = |_| Trouble::Missing(format!("Task {task} has drawn nothing in run {run}."));
    let svg = tokio::fs::read(path).await.map_err(missing)?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response())
}
