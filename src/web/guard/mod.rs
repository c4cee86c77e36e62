//! The one door: everything that comes in passes here before any route sees it, and is refused
//! unless it is allowed. In this order: the host's name, the path, where the request comes from, who
//! asks, what they may, and for writes of a browser the session's own word (CSRF).

mod admit;
mod caller;
mod forwarded;
mod headers;
mod lasting;
mod origin;
mod path;

pub(super) use admit::{cookie_name, cookie_value};
pub use caller::{Caller, Detail, Peer, Via};
pub use forwarded::{Proxies, Trusted};
pub(super) use path::{Found, find};

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::route::{Needs, Route, Verb};
use super::{App, Problem, page, session};
use crate::store::Deed;

/// Tells those who are let in which version answers.
const VERSION: HeaderName = HeaderName::from_static("x-runner-version");
/// How long an answer may take that isn't a stream.
const PATIENCE: Duration = Duration::from_mins(1);

/// Lets a request in, or refuses it.
pub(super) async fn enter(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let asked = Asked::of(&request);
    let mut response = match admit::admit(&app, request).await {
        Ok((route, caller, request)) => {
            let mut response = answer(route, next.run(request)).await;
            if route.is_api() && caller.role.is_some() {
                // Clients of another version say so.
                let version = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
                response.headers_mut().insert(VERSION, version);
            }
            if route.stream {
                response = lasting::limit(&app, route, &caller, response);
            }
            // What looks like reading and does something says so itself: a link that lets in.
            let is_deed =
                route.verb != Verb::Get || response.extensions().get::<Detail>().is_some();
            if is_deed && counts(route, response.status()) {
                let deed = deed(&app, route, &caller, &asked, &response);
                keep(&app, deed).await;
            }
            response
        }
        Err(problem) => refuse(&app, problem, &asked),
    };
    headers::harden(&app, &mut response);
    response
}

/// What is needed of a request after it has been given away.
struct Asked {
    path: String,
    /// A person looks at the answer.
    wants_page: bool,
    /// A link on another site led here.
    from_elsewhere: bool,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let path = request.uri().path();
        Self {
            path: path.to_owned(),
            wants_page: !path.starts_with("/api/") && accepts_html(request.headers()),
            from_elsewhere: request
                .headers()
                .get("sec-fetch-site")
                .is_some_and(|site| site == "cross-site" || site == "same-site"),
        }
    }
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

async fn answer(route: &Route, answering: impl Future<Output = Response>) -> Response {
    if route.stream {
        return answering.await;
    }
    let answered = tokio::time::timeout(PATIENCE, answering).await;
    answered.unwrap_or_else(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "it took too long").into_response()
    })
}

/// Whether something is worth being kept. Strangers don't fill the disk: of what is open to them only
/// what they did is kept, and tries to sign in, which are limited.
fn counts(route: &Route, status: StatusCode) -> bool {
    let open = route.needs == Needs::Nothing && !route.path.starts_with(session::SIGN_IN);
    status != StatusCode::TOO_MANY_REQUESTS && !(open && status.is_client_error())
}

/// What was done, or tried.
fn deed(app: &App, route: &Route, caller: &Caller, asked: &Asked, response: &Response) -> Deed {
    let detail = response.extensions().get::<Detail>();
    Deed {
        number: 0,
        at: app.now(),
        account: caller.account.clone(),
        via: caller.via.words(),
        address: caller.address.to_string(),
        action: format!("{} {}", route.verb.as_str(), route.path),
        target: asked.path.clone(),
        status: response.status().as_u16(),
        detail: detail.map(|detail| detail.0.clone()).unwrap_or_default(),
    }
}

async fn keep(app: &App, deed: Deed) {
    if let Err(error) = app.accounts.store.add_deed(&deed).await {
        tracing::error!(%error, ?deed, "what was done can't be kept");
    }
}

/// The refusal, as a page for people and as a problem for programs.
fn refuse(app: &App, problem: Problem, asked: &Asked) -> Response {
    if !asked.wants_page {
        return problem.into_response();
    }
    let unknown = problem.status == StatusCode::UNAUTHORIZED.as_u16();
    let text = if unknown && asked.from_elsewhere {
        page::once_more(None)
    } else if unknown {
        page::sign_in(&session::ways(app), &asked.path, None)
    } else {
        page::problem(problem.status, &problem.title, &problem.detail)
    };
    let mut response = problem.into_response();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = text.into();
    response
}
