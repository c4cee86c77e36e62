//! To the provider, and back.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::get;
use chrono::TimeDelta;
use serde::Deserialize;

use super::client::ProviderError;
use super::flow::Flow;
use super::person::{Nobody, Person};
use crate::spec::SignIn;
use crate::web::account::{Key, SignInError, same};
use crate::web::guard::{Caller, Detail, cookie_value};
use crate::web::route::{Needs, Route};
use crate::web::session::{from, let_in, own_path, put_cookie, show_refusal};
use crate::web::{App, Problem, page};

/// To the provider.
const THERE: &str = "/sign-in/provider";
/// Where it sends people back to.
const BACK: &str = "/sign-in/callback";
/// How long somebody may be away, in seconds.
const AWAY: u32 = 600;

/// To the provider, and back.
pub(in crate::web) const ROUTES: &[Route] = &[
    Route::get(THERE, Needs::Nothing, || get(leave)),
    Route::get(BACK, Needs::Nothing, || get(arrive)),
];

/// Why somebody who was at the provider's isn't let in.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0} can't be reached just now: try again in a minute")]
    Unreachable(String),
    /// No cookie, or another state.
    #[error("this sign-in was begun elsewhere, or more than ten minutes ago: sign in again")]
    Elsewhere,
    #[error("{label} says no: `{code}`")]
    Declined { label: String, code: String },
    #[error("{0} doesn't know this sign-in any more: sign in again")]
    Spent(String),
    #[error("what {0} says can't be believed: the log of `runner` tells why")]
    Unbelieved(String),
    #[error("{label} has not verified your e-mail address: verify it there, and sign in again")]
    Unverified { label: String },
    #[error("you are `{name}`, and nothing gives `{name}` a role here: ask whoever runs it")]
    NoRole { name: String },
    #[error("`{name}` is somebody else here: ask whoever runs it")]
    Taken { name: String },
    #[error(transparent)]
    Desk(SignInError),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Elsewhere | Self::Declined { .. } | Self::Spent(_) | Self::Unbelieved(_) => {
                StatusCode::UNAUTHORIZED
            }
            Self::Unverified { .. } | Self::NoRole { .. } | Self::Taken { .. } => {
                StatusCode::FORBIDDEN
            }
            Self::Desk(error) => error.status(),
        }
    }

    /// What is kept of it, in a few words.
    fn deed(&self) -> String {
        match self {
            Self::NoRole { name } => format!("{name}: no role"),
            Self::Taken { name } => format!("{name}: the name is somebody else's"),
            Self::Unreachable(_) => "the provider can't be reached".to_owned(),
            Self::Elsewhere => "begun elsewhere".to_owned(),
            Self::Declined { code, .. } => format!("the provider says {code}"),
            Self::Spent(_) => "the provider refused the code".to_owned(),
            Self::Unbelieved(_) => "the provider isn't believed".to_owned(),
            Self::Unverified { .. } => "unverified e-mail".to_owned(),
            Self::Desk(error) => error.to_string(),
        }
    }
}

fn settings(app: &App) -> Option<SignIn> {
    let snapshot = app.snapshot();
    snapshot.project.as_ref()?.settings.sign_in.clone()
}

fn not_here() -> Response {
    Problem::missing("nobody signs in by a provider here")
        .help("`sign_in` in runner.yaml names one")
        .into_response()
}

/// Where people come back to.
fn back(app: &App) -> String {
    format!("{}{BACK}", app.hosts.url())
}

#[derive(Debug, Deserialize)]
struct Leaving {
    next: Option<String>,
}

async fn leave(State(app): State<Arc<App>>, Query(leaving): Query<Leaving>) -> Response {
    let Some(settings) = settings(&app) else {
        return not_here();
    };
    let next = own_path(leaving.next.as_deref());
    let flow = match Flow::begin(next) {
        Ok(flow) => flow,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    let back = back(&app);
    let there = app.provider.way_there(&settings, &flow, &back, app.now());
    match there.await {
        Ok(url) => {
            let mut response = Redirect::to(&url).into_response();
            // The provider's page leads back here: a strict cookie wouldn't be sent.
            put_cookie(&mut response, &app, "provider", &flow.cookie(), AWAY, "Lax");
            response
        }
        Err(error) => {
            let refusal = told(&error, &settings);
            show_refusal(&app, refusal.status(), next, &refusal.to_string(), None)
        }
    }
}

#[derive(Debug, Deserialize)]
struct Arriving {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    /// Which provider sends them (RFC 9207).
    iss: Option<String>,
}

async fn arrive(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Query(arriving): Query<Arriving>,
) -> Response {
    let Some(settings) = settings(&app) else {
        return not_here();
    };
    let flow = cookie_value(&headers, &app, "provider").and_then(Flow::read);
    let next = flow.as_ref().map(|flow| own_path(Some(&flow.next)));
    let next = next.unwrap_or("/").to_owned();
    let came = come_in(&app, &settings, &caller, &headers, flow, arriving).await;
    let (mut response, detail) = match came {
        Ok((key, detail)) => {
            let mut response = Html(page::once_more(Some(&next))).into_response();
            let_in(&mut response, &app, &key);
            (response, detail)
        }
        Err(refusal) => {
            let wait = match &refusal {
                Refusal::Desk(SignInError::TooOften(wait)) => Some(*wait),
                _ => None,
            };
            let text = refusal.to_string();
            let response = show_refusal(&app, refusal.status(), &next, &text, wait);
            (response, refusal.deed())
        }
    };
    // Once only, however it ended.
    put_cookie(&mut response, &app, "provider", "", 0, "Lax");
    response.extensions_mut().insert(Detail(detail));
    response
}

async fn come_in(
    app: &App,
    settings: &SignIn,
    caller: &Caller,
    headers: &HeaderMap,
    flow: Option<Flow>,
    arriving: Arriving,
) -> Result<(Key, String), Refusal> {
    let from = from(app, caller, headers);
    let label = &settings.label;
    app.accounts.count_try(&from).map_err(Refusal::Desk)?;
    let state = arriving.state.unwrap_or_default();
    let Some(flow) = flow.filter(|flow| same(&flow.state(), &state)) else {
        tracing::warn!(
            address = %from.address,
            "a sign-in comes back to a browser that didn't begin it: its state isn't that of the cookie"
        );
        return Err(Refusal::Elsewhere);
    };
    if arriving.iss.is_some_and(|iss| iss != settings.issuer) {
        tracing::warn!(provider = %label, "another provider answers: `iss` isn't the issuer");
        return Err(Refusal::Unbelieved(label.clone()));
    }
    if let Some(error) = arriving.error {
        // A word of the standard's (RFC 6749, 4.1.2.1); what else it may be isn't repeated.
        let word = |c: char| c.is_ascii_lowercase() || c == '_';
        let known = error.len() <= 40 && error.chars().all(word);
        let code = if known { error } else { "error".to_owned() };
        tracing::warn!(provider = %label, %code, "the provider lets somebody not in");
        let label = label.clone();
        return Err(Refusal::Declined { label, code });
    }
    let Some(code) = arriving.code else {
        tracing::warn!(provider = %label, "the provider sends neither a code nor an error");
        return Err(Refusal::Unbelieved(label.clone()));
    };
    let back = back(app);
    let claims = app.provider.claims(settings, &flow, &back, code, from.now);
    let claims = claims.await.map_err(|error| told(&error, settings))?;
    let person = Person::of(&claims, settings).map_err(|error| {
        tracing::warn!(provider = %label, %error, "somebody isn't let in");
        match error {
            Nobody::Unverified => Refusal::Unverified {
                label: label.clone(),
            },
            Nobody::NoName(_) | Nobody::NoSubject => Refusal::Unbelieved(label.clone()),
        }
    })?;
    let lasts = TimeDelta::from_std(settings.session).unwrap_or(TimeDelta::hours(12));
    let entered =
        app.accounts
            .by_provider(&person.subject, &person.name, person.role, lasts, &from);
    entered.await.map_err(|error| match error {
        SignInError::NoRole(name) => {
            tracing::warn!(
                provider = %label, %name, claims = ?settings.claims,
                "somebody isn't let in: no value of these claims gives a role in runner.yaml"
            );
            Refusal::NoRole { name }
        }
        SignInError::Taken(name) => {
            tracing::warn!(
                provider = %label, %name, subject = %person.subject,
                "somebody isn't let in: the name is another subject's; `runner user remove` frees it"
            );
            Refusal::Taken { name }
        }
        error => Refusal::Desk(error),
    })
}

/// The whole cause goes to the log; who asks is told what helps.
fn told(error: &ProviderError, settings: &SignIn) -> Refusal {
    let label = settings.label.clone();
    tracing::warn!(provider = %label, issuer = %settings.issuer, %error, "nobody can sign in by it");
    match error {
        ProviderError::Unreachable(_) => Refusal::Unreachable(label),
        ProviderError::Refused(_) => Refusal::Spent(label),
        ProviderError::Unbelieved(_) => Refusal::Unbelieved(label),
    }
}
