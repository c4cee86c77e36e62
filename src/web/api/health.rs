//! Whether the program is well, for whoever starts and stops it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::web::App;
use crate::web::route::{Needs, Route};

/// It answers.
pub(super) const HEALTHZ: Route = Route::get("/healthz", Needs::Nothing, || get(async || "ok\n"));

/// It can do its work.
pub(super) const READYZ: Route = Route::get("/readyz", Needs::Nothing, || get(ready));

async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    match app.store.schedules().await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the run state can't be read\n",
            )
        }
    }
}
