//! The table of everything that can be asked for. The router is made from it, the guard asks it,
//! and the security test walks it: what isn't in it doesn't exist.

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;

use super::describe::Describe;
use super::{App, api, asset, live, page, provider, schema, session};

/// What a route does, as HTTP says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    /// The method's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// The method of this name; HEAD is a GET.
    #[must_use]
    pub fn of(method: &axum::http::Method) -> Option<Self> {
        match method.as_str() {
            "GET" | "HEAD" => Some(Self::Get),
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }
}

/// What whoever asks must be allowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: the route is public. Its path is matched whole.
    Nothing,
    /// To be signed in, in whatever role.
    SignIn,
    /// To look at everything: viewers.
    Read,
    /// To begin, end and change runs: operators.
    Run,
    /// To say who may do what: admins.
    Admin,
}

impl Needs {
    /// Who may, and with which token.
    pub(super) fn help(self) -> &'static str {
        match self {
            Self::Nothing | Self::SignIn => "whoever is signed in may",
            Self::Read => "viewers may, and tokens with the scope `read`",
            Self::Run => "operators and admins may, and their tokens with the scope `run`",
            Self::Admin => "admins may, and their tokens with the scope `admin`",
        }
    }
}

/// Something that can be asked for.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    pub verb: Verb,
    /// Like `/dags/{dag}`. A part in braces takes a name, `[A-Za-z0-9_-]{1,64}`; `{file}` also takes
    /// one extension.
    pub path: &'static str,
    pub needs: Needs,
    /// The answer goes on while something happens.
    pub stream: bool,
    /// What it is about, when it is of the API.
    pub about: Option<Describe>,
    /// What answers.
    pub answer: fn() -> MethodRouter<Arc<App>>,
}

impl Route {
    /// A page or an answer to look at.
    pub const fn get(
        path: &'static str,
        needs: Needs,
        answer: fn() -> MethodRouter<Arc<App>>,
    ) -> Self {
        Self::new(Verb::Get, path, needs, answer)
    }

    /// Something that is changed.
    pub const fn post(
        path: &'static str,
        needs: Needs,
        answer: fn() -> MethodRouter<Arc<App>>,
    ) -> Self {
        Self::new(Verb::Post, path, needs, answer)
    }

    /// A route of any method.
    pub const fn new(
        verb: Verb,
        path: &'static str,
        needs: Needs,
        answer: fn() -> MethodRouter<Arc<App>>,
    ) -> Self {
        Self {
            verb,
            path,
            needs,
            stream: false,
            about: None,
            answer,
        }
    }

    /// Its answer goes on while something happens.
    #[must_use]
    pub const fn streaming(mut self) -> Self {
        self.stream = true;
        self
    }

    /// Says what it is about.
    #[must_use]
    pub const fn about(mut self, about: Describe) -> Self {
        self.about = Some(about);
        self
    }

    /// Whether it is of the API, whose answers are for programs.
    #[must_use]
    pub fn is_api(&self) -> bool {
        self.path.starts_with("/api/")
    }
}

/// All routes.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    [
        session::ROUTES,
        provider::ROUTES,
        page::ROUTES,
        asset::ROUTES,
        live::ROUTES,
        api::ROUTES,
        schema::ROUTES,
    ]
    .into_iter()
    .flatten()
}

/// The router of the table. What the table doesn't have, the guard has refused before.
pub(super) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for route in routes() {
        router = router.route(route.path, (route.answer)());
    }
    router.with_state(app)
}
