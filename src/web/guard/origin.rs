//! Where a request comes from, as browsers tell it.

use axum::http::{HeaderMap, HeaderValue, StatusCode};

use super::super::route::{Route, Verb};
use super::super::{App, Problem};
use super::caller::Via;

/// What browsers say of a request.
pub(super) struct Told<'a> {
    origin: Option<&'a [u8]>,
    site: Option<&'a [u8]>,
    mode: Option<&'a [u8]>,
}

impl<'a> Told<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let value = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
        Self {
            origin: value("origin"),
            site: value("sec-fetch-site"),
            mode: value("sec-fetch-mode"),
        }
    }

    /// Whether a browser says that one of our own pages asks.
    fn is_own(&self) -> bool {
        self.origin.is_some() || self.site == Some(b"same-origin")
    }
}

/// Refuses what another site's page asks for. Programs tell nothing, and are judged by their token.
pub(super) fn check(app: &App, route: &Route, told: &Told<'_>) -> Result<(), Problem> {
    let foreign = || {
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "another site asks for this",
        ))
    };
    if let Some(origin) = told.origin
        && !app.hosts.is_own_origin(origin)
    {
        return foreign();
    }
    let sensitive = route.verb != Verb::Get || route.stream;
    match told.site {
        None | Some(b"same-origin") => Ok(()),
        // Typed, or from a bookmark.
        Some(b"none") if !sensitive => Ok(()),
        // A link on another page leads here.
        Some(_) if !sensitive && !route.is_api() && told.mode == Some(b"navigate") => Ok(()),
        Some(_) => foreign(),
    }
}

/// A write of a session must be one that a page of ours makes: browsers say so with every one.
pub(super) fn check_session(route: &Route, told: &Told<'_>, via: &Via) -> Result<(), Problem> {
    let of_browser = matches!(via, Via::Session(_) | Via::Open);
    if route.verb != Verb::Get && of_browser && !told.is_own() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "the request doesn't tell which page it comes from",
        )
        .help("programs use a token: `runner token add`"));
    }
    Ok(())
}
