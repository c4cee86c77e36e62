//! Who asks, and what they may.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::store::{Role, Scope};
use crate::web::Needs;

/// How somebody came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// Signed in; the session's id.
    Session(String),
    /// A program with a token; the token's id.
    Token(String),
    /// Nobody has to sign in here.
    Open,
    /// Not at all: only what is public is for them.
    Nobody,
}

impl Via {
    /// For the list of deeds.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Session(id) => format!("session {id}"),
            Self::Token(id) => format!("token {id}"),
            Self::Open => "no sign-in".to_owned(),
            Self::Nobody => "nobody".to_owned(),
        }
    }
}

/// Who asks. Handlers take it as an argument.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account's name; empty: nobody.
    pub account: String,
    /// `None`: nobody.
    pub role: Option<Role>,
    /// What a token is limited to.
    pub scopes: Option<Vec<Scope>>,
    pub via: Via,
    pub address: IpAddr,
    /// What forms and scripts of this session send with every write: the field `csrf` or the header
    /// `x-csrf-token`.
    pub csrf: Option<String>,
}

impl Caller {
    /// Somebody of whom nothing is known.
    #[must_use]
    pub fn nobody(address: IpAddr) -> Self {
        Self {
            account: String::new(),
            role: None,
            scopes: None,
            via: Via::Nobody,
            address,
            csrf: None,
        }
    }

    /// Whether they may do what needs this.
    #[must_use]
    pub fn may(&self, needs: Needs) -> bool {
        let scope = match needs {
            Needs::Nothing => return true,
            Needs::SignIn => return self.role.is_some(),
            Needs::Read => Scope::Read,
            Needs::Run => Scope::Run,
            Needs::Admin => Scope::Admin,
        };
        let scopes = self.scopes.as_ref();
        self.role.is_some_and(|role| role >= scope.role())
            && scopes.is_none_or(|scopes| scopes.contains(&scope))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let caller = parts.extensions.get::<Self>().cloned();
        // The door sets it; without it nobody is there.
        Ok(caller.unwrap_or_else(|| Self::nobody(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}

/// What is worth being kept of a write, beside its path: an extension of its answer.
#[derive(Debug, Clone)]
pub struct Detail(pub String);

/// Where a connection comes from, `None` the Unix socket: an extension of its requests.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub Option<IpAddr>);
