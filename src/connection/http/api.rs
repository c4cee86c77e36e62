//! An API, and what is shared by all requests to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use tokio_util::sync::CancellationToken;

use super::base::Base;
use super::client::{ClientSettings, ClientShape};
use super::credentials::Credentials;
use super::network::Guard;
use super::proxy::Proxies;
use super::settings::Policy;
use super::tries::{Answer, try_until};
use super::{HttpError, HttpHead, HttpRequest, HttpResponse};
use crate::connection::RateLimit;
use crate::model::Timestamp;
use crate::secret::{Environment, Masker, Secret};

/// An API below a base URL, or any URL at all. Clones share rate limit, tokens and connections.
#[derive(Debug, Clone)]
pub struct HttpApi {
    pub(super) shared: Arc<Shared>,
}

/// Takes a request as it is sent; its text is made by what it is given.
pub type Sent = Arc<dyn Fn(&dyn Fn() -> String) + Send + Sync>;

/// What a request is sent in: the attempt around it.
#[derive(Clone)]
pub struct Sending {
    /// Takes one line for each request: method, URL, status, bytes, time; and one for each repetition.
    pub log: Arc<dyn Fn(&str) + Send + Sync>,
    /// Cancelled when the attempt is to end; requests and bodies end with it.
    pub cancel: CancellationToken,
    /// The time, for dates in `Retry-After`.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Takes each request as it is sent: its line, its headers, the beginning of its body. What it is
    /// given is made only when it is asked for.
    pub sent: Option<Sent>,
    /// Masks the log; learns the tokens that are fetched on the way.
    pub masker: Masker,
}

/// A configured connection.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) base: Base,
    /// Sent to the base's origin only, as are query and credentials.
    pub(super) headers: HeaderMap,
    pub(super) query: Secret<Vec<(String, String)>>,
    pub(super) credentials: Credentials,
    pub(super) rate: Option<RateLimit>,
    pub(super) policy: Policy,
    /// For requests whose URLs don't come from outside.
    pub(super) guard: Guard,
    pub(super) client: ClientSettings,
    pub(super) clients: Mutex<HashMap<ClientShape, reqwest::Client>>,
}

impl Shared {
    /// A connection that knows nothing.
    pub(super) fn new(base: Base, policy: Policy, client: ClientSettings) -> Self {
        Self {
            base,
            headers: HeaderMap::new(),
            query: Secret::new(Vec::new()),
            credentials: Credentials::None,
            rate: None,
            policy,
            guard: Guard {
                proxies: client.proxies.hosts().into(),
                ..Guard::default()
            },
            client,
            clients: Mutex::default(),
        }
    }
}

impl From<Shared> for HttpApi {
    fn from(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Default for HttpApi {
    fn default() -> Self {
        Self::anywhere(&Environment::default())
    }
}

impl HttpApi {
    /// Any URL: without base, credentials and rate limit, with the default limits and the proxies of
    /// the environment.
    #[must_use]
    pub fn anywhere(environment: &Environment) -> Self {
        let client = ClientSettings {
            proxies: Proxies::of_environment(environment),
            ..ClientSettings::default()
        };
        Shared::new(Base::Anywhere, Policy::default(), client).into()
    }

    /// The same, where an answer must come from where it was asked: redirects aren't followed.
    #[must_use]
    pub fn straight(environment: &Environment) -> Self {
        let client = ClientSettings {
            proxies: Proxies::of_environment(environment),
            ..ClientSettings::default()
        };
        let policy = Policy {
            redirects: 0,
            ..Policy::default()
        };
        Shared::new(Base::Anywhere, policy, client).into()
    }

    /// Sends a request, again where that helps, and gives an answer of an accepted status. Its body
    /// is still to be read, and can't be asked for again when it breaks off.
    ///
    /// # Errors
    /// No answer in time, or one of another status; a refused address; the attempt was cancelled.
    pub async fn send(
        &self,
        request: &HttpRequest,
        around: &Sending,
    ) -> Result<HttpResponse, HttpError> {
        match try_until(&self.shared, request, None, around).await? {
            Answer::Open(response) => Ok(*response),
            Answer::Whole(..) => Err(HttpError::permanent("a body was read too early")),
        }
    }

    /// Sends a request and reads the whole answer, at most `limit` bytes, into memory. A body that
    /// breaks off is asked for again, as after any transient failure.
    ///
    /// # Errors
    /// As [`send`](Self::send) and [`HttpStream::chunk`](super::HttpStream::chunk).
    pub async fn fetch(
        &self,
        request: &HttpRequest,
        limit: u64,
        around: &Sending,
    ) -> Result<(HttpHead, Bytes), HttpError> {
        match try_until(&self.shared, request, Some(limit), around).await? {
            Answer::Whole(head, bytes) => Ok((head, bytes)),
            Answer::Open(response) => response.whole(limit).await,
        }
    }
}

impl std::fmt::Debug for Sending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
