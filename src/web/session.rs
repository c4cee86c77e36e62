//! Signing in and out.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use chrono::TimeDelta;
use serde::Deserialize;

use super::account::{From, Key, SignInError};
use super::guard::{Caller, Detail, Found, Via, cookie_name, find};
use super::route::{Needs, Route};
use super::{App, Problem, page};
use crate::store::Account;

/// How long a browser keeps the cookie, in seconds; the session itself ends when nobody uses it.
const COOKIE_AGE: u32 = 30 * 24 * 3600;

/// Where people sign in.
pub(super) const SIGN_IN: &str = "/sign-in";

/// Signing in and out.
pub(super) const ROUTES: &[Route] = &[
    Route::get(SIGN_IN, Needs::Nothing, || get(show)),
    Route::post(SIGN_IN, Needs::Nothing, || post(sign_in)),
    Route::post("/sign-out", Needs::SignIn, || post(sign_out)),
];

#[derive(Debug, Deserialize)]
struct Shown {
    link: Option<String>,
    next: Option<String>,
}

/// The page; a link lets in at once.
async fn show(
    State(app): State<Arc<App>>,
    method: Method,
    caller: Caller,
    headers: HeaderMap,
    Query(shown): Query<Shown>,
) -> Response {
    let next = own_path(shown.next.as_deref());
    let Some(link) = shown.link else {
        return Html(page::sign_in(&ways(&app), next, None)).into_response();
    };
    if method == Method::HEAD || is_ahead(&headers) {
        // Nobody looks yet: the link stays whole for who does.
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let from = from(&app, &caller, &headers);
    let entered = app.accounts.by_link(&link, &from).await;
    let detail = match &entered {
        Ok((_, account)) => format!("{} by a link", account.name),
        Err(_) => "by a link".to_owned(),
    };
    answer(&app, entered, "/", &detail)
}

/// Whether a browser fetches what somebody might look at later.
fn is_ahead(headers: &HeaderMap) -> bool {
    let mut told = ["sec-purpose", "purpose", "x-moz"]
        .into_iter()
        .filter_map(|name| headers.get(name)?.to_str().ok());
    told.any(|told| told.contains("prefetch") || told.contains("prerender"))
}

#[derive(Debug, Deserialize)]
struct SignIn {
    user: String,
    password: String,
    next: Option<String>,
}

async fn sign_in(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Form(asked): Form<SignIn>,
) -> Response {
    let next = own_path(asked.next.as_deref());
    let ways = ways(&app);
    if !ways.passwords {
        let by = ways.provider.unwrap_or_default();
        let text = format!("passwords don't let in here: sign in with {by}");
        return show_refusal(&app, StatusCode::FORBIDDEN, next, &text, None);
    }
    let from = from(&app, &caller, &headers);
    let entered = app
        .accounts
        .by_password(&asked.user, &asked.password, &from);
    // Only what can be a name: people type passwords into the wrong field.
    let name = if crate::model::check_name(&asked.user).is_ok() {
        asked.user.as_str()
    } else {
        "not a name"
    };
    answer(&app, entered.await, next, name)
}

async fn sign_out(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Problem> {
    if let Via::Session(id) = &caller.via {
        app.accounts.store.remove_access(id).await?;
    }
    let mut response = Redirect::to(SIGN_IN).into_response();
    put_cookie(&mut response, &app, "", "", 0, "Strict");
    Ok(response)
}

/// Lets in, or says why not; `detail` is kept of it.
fn answer(
    app: &App,
    entered: Result<(Key, Account), SignInError>,
    next: &str,
    detail: &str,
) -> Response {
    let mut response = match entered {
        Ok((key, _)) => {
            let mut response = Redirect::to(next).into_response();
            let_in(&mut response, app, &key);
            response
        }
        Err(error) => refused(app, &error, next),
    };
    let detail = Detail(detail.to_owned());
    response.extensions_mut().insert(detail);
    response
}

fn refused(app: &App, error: &SignInError, next: &str) -> Response {
    match error {
        SignInError::Store(store) => Problem::from(store.clone()).into_response(),
        SignInError::Chance(error) => Problem::internal(error).into_response(),
        error => {
            let wait = match error {
                SignInError::TooOften(wait) => Some(*wait),
                _ => None,
            };
            show_refusal(app, error.status(), next, &error.to_string(), wait)
        }
    }
}

/// The page to sign in, with why somebody wasn't let in and when to try again.
pub(super) fn show_refusal(
    app: &App,
    status: StatusCode,
    next: &str,
    text: &str,
    wait: Option<TimeDelta>,
) -> Response {
    let html = Html(page::sign_in(&ways(app), next, Some(text)));
    let mut response = (status, html).into_response();
    if let Some(wait) = wait {
        let seconds = HeaderValue::from(wait.num_seconds() + 1);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// How people may come in here. Links always let in.
pub(super) fn ways(app: &App) -> page::Ways {
    let snapshot = app.snapshot();
    let project = snapshot.project.as_ref();
    let sign_in = project.and_then(|project| project.settings.sign_in.as_ref());
    page::Ways {
        provider: sign_in.map(|sign_in| sign_in.label.clone()),
        passwords: sign_in.is_none_or(|sign_in| sign_in.passwords),
    }
}

/// Who wants to come in from where.
pub(super) fn from(app: &App, caller: &Caller, headers: &HeaderMap) -> From {
    let agent = headers.get(header::USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok());
    From {
        address: caller.address,
        agent: agent.unwrap_or_default().to_owned(),
        now: app.now(),
    }
}

/// Gives a browser the key of its session.
pub(super) fn let_in(response: &mut Response, app: &App, key: &Key) {
    put_cookie(response, app, "", &key.reveal(), COOKIE_AGE, "Strict");
}

/// Lets a browser keep something, for so many seconds.
pub(super) fn put_cookie(
    response: &mut Response,
    app: &App,
    word: &str,
    value: &str,
    age: u32,
    same_site: &str,
) {
    let secure = if app.hosts.is_https() { "; Secure" } else { "" };
    let name = cookie_name(app, word);
    let text =
        format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}; Max-Age={age}{secure}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// A page of ours to go to; anything else is the first page.
pub(super) fn own_path(next: Option<&str>) -> &str {
    let own = next.filter(|next| {
        let uri = next.parse::<Uri>();
        let uri = uri
            .ok()
            .filter(|uri| next.starts_with('/') && uri.path() == *next);
        uri.is_some_and(|uri| match find(&Method::GET, &uri) {
            Found::Route(route) => !route.is_api() && !route.stream,
            _ => false,
        })
    });
    own.unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn nobody_is_led_away_after_signing_in() {
        for (next, expected) in [
            (None, "/"),
            (Some("/sign-in"), "/sign-in"),
            (Some("//evil.example"), "/"),
            (Some("https://evil.example/"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("/api/v1/dags"), "/"),
            (Some("/nowhere"), "/"),
            (Some("/?next=//evil.example"), "/"),
        ] {
            assert_eq!(own_path(next), expected, "{next:?}");
        }
    }
}
