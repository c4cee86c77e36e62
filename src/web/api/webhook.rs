//! Calls of webhooks: other programs begin runs, each with its own secret instead of a token.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde::Serialize;
use utoipa::ToSchema;

use super::project;
use crate::daemon::schedule::{CallError, Request, take_call};
use crate::trigger::Refused;
use crate::web::describe::{Describe, of};
use crate::web::route::{Needs, Route};
use crate::web::{App, Problem};

/// Takes a call of a DAG's webhook.
pub(super) const CALL: Route = Route::post("/api/v1/dags/{dag}/webhook", Needs::Nothing, || {
    post(call)
})
.about(
    Describe::new(
        "runs",
        "Call the webhook of a DAG: it starts a run as soon as there is room. Who may is told by \
             the DAG's own secret, as a bearer or by a signature of the body",
    )
    .accepted(of::<WebhookCall>),
);

/// A call that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookCall {
    /// Its id, by which it is known when it is repeated: the `Idempotency-Key`, when it has one.
    pub call: String,
}

async fn call(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<WebhookCall>), Problem> {
    let snapshot = app.snapshot();
    let project = project(&snapshot)?;
    // Who may not call isn't told which DAGs there are.
    let none = || Problem::missing(format!("DAG `{name}` has no webhook"));
    let pipeline = project.pipelines.get(name.as_str()).ok_or_else(none)?;
    let headers: Vec<(String, String)> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let request = Request {
        headers: &headers,
        body: &body,
    };
    let taken = take_call(app.store.as_ref(), project, pipeline, request, app.now()).await;
    let call = taken.map_err(|error| match error {
        CallError::NoWebhook(_) => none(),
        CallError::Refused(reason) => refused(&reason),
        CallError::Store(error) => error.into(),
    })?;
    Ok((StatusCode::ACCEPTED, Json(WebhookCall { call })))
}

fn refused(reason: &Refused) -> Problem {
    let status = match reason {
        Refused::Forbidden | Refused::OtherTime => StatusCode::UNAUTHORIZED,
        Refused::LongKey => StatusCode::BAD_REQUEST,
        Refused::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        Refused::NoSecret(_) => {
            // Which variable it is, is nothing for strangers.
            tracing::warn!(%reason, "a webhook can't be called");
            return Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "nobody can call it just now",
            );
        }
    };
    Problem::new(status, reason.to_string())
}
