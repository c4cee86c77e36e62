//! The one door: everything that comes in passes here before any route sees it, and is refused
//! unless it is allowed.

mod path;

pub(super) use path::{Found, find};

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::App;

/// Lets a request in, or refuses it.
pub(super) async fn enter(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    if !host.is_some_and(|host| app.hosts.allows(host.as_bytes())) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match find(request.method(), request.uri()) {
        Found::Route(_) => next.run(request).await,
        Found::OtherMethod => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        Found::Nothing => StatusCode::NOT_FOUND.into_response(),
    }
}
