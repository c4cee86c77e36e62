//! The JSON Schema of the language, for editors. It is the same for everybody, and no secret.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::route::{Needs, Route};
use crate::spec::{pipeline_schema, project_schema};

/// `/schema/pipeline.json` for the files of pipelines, `/schema/project.json` for `runner.yaml`.
pub(super) const ROUTES: &[Route] = &[Route::get("/schema/{file}", Needs::Nothing, || get(file))];

static PIPELINE: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", pipeline_schema()));
static PROJECT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", project_schema()));

async fn file(Path(name): Path<String>) -> Response {
    let text = match name.as_str() {
        "pipeline.json" => &*PIPELINE,
        "project.json" => &*PROJECT,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let kind = [(header::CONTENT_TYPE, "application/schema+json")];
    (kind, text.as_str()).into_response()
}
