//! Signing in and out.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::account::{From, Key, SignInError};
use super::guard::{Caller, Detail, Found, Via, cookie, find};
use super::route::{Needs, Route};
use super::{App, Problem, page};

/// How long a browser keeps the cookie, in seconds; the session itself ends when nobody uses it.
const COOKIE_AGE: u32 = 30 * 24 * 3600;

/// Signing in and out.
pub(super) const ROUTES: &[Route] = &[
    Route::get("/sign-in", Needs::Nothing, || get(show)),
    Route::post("/sign-in", Needs::Nothing, || post(sign_in)),
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
    caller: Caller,
    headers: HeaderMap,
    Query(shown): Query<Shown>,
) -> Response {
    let next = own_path(shown.next.as_deref());
    let Some(link) = shown.link else {
        return Html(page::sign_in(next, None)).into_response();
    };
    let from = from(&app, &caller, &headers);
    match app.accounts.by_link(&link, &from).await {
        Ok((key, _)) => let_in(&app, &key, "/"),
        Err(error) => refused(&error, next),
    }
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
    let from = from(&app, &caller, &headers);
    let answer = app
        .accounts
        .by_password(&asked.user, &asked.password, &from);
    let mut response = match answer.await {
        Ok((key, _)) => let_in(&app, &key, next),
        Err(error) => refused(&error, next),
    };
    // Only what can be a name: people type passwords into the wrong field.
    let name = if crate::model::check_name(&asked.user).is_ok() {
        asked.user
    } else {
        "not a name".to_owned()
    };
    response.extensions_mut().insert(Detail(name));
    response
}

async fn sign_out(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Problem> {
    if let Via::Session(id) = &caller.via {
        app.accounts.store.remove_access(id).await?;
    }
    let mut response = Redirect::to("/sign-in").into_response();
    set_cookie(&mut response, &app, "", 0);
    Ok(response)
}

fn from(app: &App, caller: &Caller, headers: &HeaderMap) -> From {
    let agent = headers.get(header::USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok());
    From {
        address: caller.address,
        agent: agent.unwrap_or_default().to_owned(),
        now: app.now(),
    }
}

fn let_in(app: &App, key: &Key, next: &str) -> Response {
    let mut response = Redirect::to(next).into_response();
    set_cookie(&mut response, app, &key.reveal(), COOKIE_AGE);
    response
}

fn set_cookie(response: &mut Response, app: &App, value: &str, age: u32) {
    let secure = if app.hosts.is_https() { "; Secure" } else { "" };
    let text = format!(
        "{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}",
        cookie(app)
    );
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

fn refused(error: &SignInError, next: &str) -> Response {
    let status = match error {
        SignInError::Wrong | SignInError::Spent => StatusCode::UNAUTHORIZED,
        SignInError::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
        SignInError::Store(store) => return Problem::from(store.clone()).into_response(),
        SignInError::Chance(error) => return Problem::internal(error).into_response(),
    };
    let mut response =
        (status, Html(page::sign_in(next, Some(&error.to_string())))).into_response();
    if let SignInError::TooOften(wait) = error {
        let seconds = HeaderValue::from(wait.num_seconds() + 1);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// A page of ours to go to; anything else is the first page.
fn own_path(next: Option<&str>) -> &str {
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
