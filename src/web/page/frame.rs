//! What all pages have: the bar at the top, the style, the scripts.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;

use super::template::{Markup, render};
use crate::daemon::schedule::DaemonLock;
use crate::operate::{Mistake, MistakeKind};
use crate::store::StoreError;
use crate::web::guard::{Caller, Via};
use crate::web::route::Needs;
use crate::web::{App, asset};

/// The pages of the bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Dags,
    Runs,
    Schedule,
    Connections,
    Audit,
    About,
    /// None of them.
    Elsewhere,
}

const NAV: [(Place, &str, &str); 6] = [
    (Place::Dags, "DAGs", "/"),
    (Place::Runs, "Runs", "/runs"),
    (Place::Schedule, "Schedule", "/schedule"),
    (Place::Connections, "Connections", "/connections"),
    (Place::Audit, "Audit", "/audit"),
    (Place::About, "About", "/about"),
];

#[derive(Serialize)]
struct Nav {
    name: &'static str,
    link: &'static str,
    here: bool,
}

#[derive(Serialize)]
struct Frame<'a> {
    title: &'a str,
    project: String,
    nav: Vec<Nav>,
    assets: &'static str,
    daemon: Option<String>,
    user: Option<&'a str>,
    live: Option<String>,
    body: Markup,
}

/// Who looks at a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Visitor {
    /// The name; `None` where nobody has to sign in.
    pub(super) user: Option<String>,
    /// What forms carry so that nobody else can send them.
    pub(super) csrf: String,
    /// Whether runs may be begun, ended and changed.
    pub(super) may_run: bool,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let may_run = caller.may(Needs::Run);
        Ok(Self {
            user: (caller.via != Via::Open).then_some(caller.account),
            csrf: caller.csrf.unwrap_or_default(),
            may_run,
        })
    }
}

/// A page, before its frame is put around it.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) place: Place,
    /// The stream that tells when it has changed; `None`: nothing on it will.
    pub(super) live: Option<String>,
    pub(super) body: Markup,
}

impl Page<'_> {
    /// The whole page.
    pub(super) fn show(self, app: &App, visitor: &Visitor) -> Response {
        let (html, policy) = (self.html(app, visitor), header::CACHE_CONTROL);
        ([(policy, "no-store")], Html(html)).into_response()
    }

    fn html(self, app: &App, visitor: &Visitor) -> String {
        let root = &app.places.root;
        let nav = NAV.iter().map(|(place, name, link)| Nav {
            name,
            link,
            here: *place == self.place,
        });
        let holder = DaemonLock::holder(&app.places.state);
        let frame = Frame {
            title: self.title,
            project: root
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            nav: nav.collect(),
            assets: asset::VERSION.as_str(),
            daemon: holder.map(|owner| process_of(&owner.0).to_owned()),
            user: visitor.user.as_deref(),
            live: self.live,
            body: self.body,
        };
        render("frame.html", &frame).to_string()
    }
}

/// The process in an owner's name.
pub(super) fn process_of(owner: &str) -> &str {
    owner.split_once('-').map_or(owner, |(process, _)| process)
}

/// Why a page can't be shown.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no such thing: what.
    Missing(String),
    /// It was asked for in a way that has no meaning: why.
    Asked(String),
    /// It can't be as things stand: why.
    Conflict(String),
    /// The store can't be read, or a file.
    Broken(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<crate::operate::Trouble> for Trouble {
    fn from(trouble: crate::operate::Trouble) -> Self {
        match trouble {
            crate::operate::Trouble::Mistake(mistake) => mistake.into(),
            other => Self::Broken(other.to_string()),
        }
    }
}

impl From<Mistake> for Trouble {
    fn from(mistake: Mistake) -> Self {
        let text = match mistake.advice() {
            Some(advice) => format!("{mistake}: {advice}"),
            None => mistake.to_string(),
        };
        match mistake.kind() {
            MistakeKind::Missing => Self::Missing(text),
            MistakeKind::Wrong => Self::Asked(text),
            MistakeKind::Conflict | MistakeKind::Nobody => Self::Conflict(text),
        }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, title, detail) = match self {
            Self::Missing(detail) => (StatusCode::NOT_FOUND, "It isn't here", detail),
            Self::Asked(detail) => (StatusCode::BAD_REQUEST, "That can't be", detail),
            Self::Conflict(detail) => (StatusCode::CONFLICT, "It can't be done now", detail),
            Self::Broken(detail) => {
                tracing::error!(%detail, "a page can't be shown");
                let title = "The page can't be shown";
                (StatusCode::INTERNAL_SERVER_ERROR, title, detail)
            }
        };
        (status, Html(bare(title, &detail))).into_response()
    }
}

/// A page without the bar: for those who may not be signed in, and for what fails.
pub(super) fn bare(title: &str, detail: &str) -> String {
    #[derive(Serialize)]
    struct Problem<'a> {
        title: &'a str,
        detail: &'a str,
    }
    let frame = Frame {
        title,
        project: String::new(),
        nav: Vec::new(),
        assets: asset::VERSION.as_str(),
        // Nothing is said of the daemon.
        daemon: Some(String::new()),
        user: None,
        live: None,
        body: render("problem.html", &Problem { title, detail }),
    };
    render("frame.html", &frame).to_string()
}

/// A button that asks before it does something, without any script.
#[derive(Serialize)]
pub(super) struct Sure<'a> {
    pub(super) label: &'a str,
    pub(super) question: String,
    pub(super) action: String,
    pub(super) csrf: &'a str,
    pub(super) class: &'a str,
    pub(super) fields: Vec<Field<'a>>,
    /// The question opens to the left border's side.
    pub(super) left: bool,
}

/// A value that a form carries.
#[derive(Serialize)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) value: String,
}

impl Sure<'_> {
    pub(super) fn show(&self) -> Markup {
        render("sure.html", self)
    }
}
