//! An API, and how requests are sent to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::body::HttpStream;
use super::client::{ClientShape, build};
use super::{HttpBody, HttpError, HttpHead, HttpRequest, HttpResponse};
use crate::connection::RateLimit;
use crate::model::Timestamp;
use crate::secret::{Environment, Masker};

/// What a request is sent in: the attempt around it.
#[derive(Clone)]
pub struct Sending {
    /// Takes one line for each request: method, URL, status, bytes, time.
    pub log: Arc<dyn Fn(&str) + Send + Sync>,
    /// Cancelled when the attempt is to end; requests and bodies end with it.
    pub cancel: CancellationToken,
    /// The time, for dates in `Retry-After`.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Masks the log; learns the tokens that are fetched on the way.
    pub masker: Masker,
}

impl std::fmt::Debug for Sending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}

/// An API below a base URL, or any URL at all. Clones share rate limit, tokens and connections.
#[derive(Debug, Clone)]
pub struct HttpApi {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) base: Option<Url>,
    pub(super) rate: Option<RateLimit>,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) body_limit: u64,
    pub(super) clients: Mutex<HashMap<ClientShape, reqwest::Client>>,
}

impl Default for HttpApi {
    fn default() -> Self {
        Self::anywhere(&Environment::default())
    }
}

impl HttpApi {
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Any URL: without base, credentials and rate limit, with the default limits and the proxies of
    /// the environment.
    #[must_use]
    pub fn anywhere(_environment: &Environment) -> Self {
        Self::new(Shared {
            base: None,
            rate: None,
            timeout: Duration::from_mins(5),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            body_limit: 1 << 30,
            clients: Mutex::default(),
        })
    }

    /// Sends a request, again where that helps, and gives an answer of an accepted status; its body
    /// is still to be read.
    ///
    /// # Errors
    /// No answer in time, or one of another status; a refused address; the attempt was cancelled.
    pub async fn send(
        &self,
        request: &HttpRequest,
        around: &Sending,
    ) -> Result<HttpResponse, HttpError> {
        let url = self.url(request)?;
        let name = format!("{} {url}", request.method.as_str());
        for rate in [&request.rate, &self.shared.rate].into_iter().flatten() {
            rate.pass().await;
        }
        let limits = &request.limits;
        let deadline = Instant::now() + limits.timeout.unwrap_or(self.shared.timeout);
        let read_timeout = limits.read_timeout.unwrap_or(self.shared.read_timeout);
        let client = self.client(request)?;
        let repeatable = request.may_repeat();
        let failed = |reason: String| HttpError {
            retryable: repeatable,
            ..HttpError::permanent(format!("{name}: {reason}"))
        };
        let mut builder = client.request(
            reqwest::Method::from_bytes(request.method.as_str().as_bytes())
                .map_err(|error| failed(error.to_string()))?,
            url.clone(),
        );
        for (key, value) in &request.headers {
            if !value.is_empty() {
                builder = builder.header(key, value);
            }
        }
        if let Some(key) = &request.idempotency_key {
            builder = builder.header("idempotency-key", key);
        }
        builder = match &request.body {
            HttpBody::Empty => builder,
            HttpBody::Bytes {
                content_type,
                bytes,
            } => builder
                .header("content-type", content_type)
                .body(bytes.clone()),
            HttpBody::File { content_type, path } => {
                let file = tokio::fs::File::open(path)
                    .await
                    .map_err(|error| failed(format!("{}: {error}", path.display())))?;
                builder.header("content-type", content_type).body(file)
            }
        };
        let answer = timeout_at(deadline, timeout(read_timeout, builder.send()));
        let answer = tokio::select! {
            biased;
            () = around.cancel.cancelled() => return Err(failed("the attempt was cancelled".into())),
            answer = answer => match answer {
                Ok(Ok(Ok(answer))) => answer,
                Ok(Ok(Err(error))) => return Err(failed(error.without_url().to_string())),
                Ok(Err(_)) | Err(_) => return Err(failed("no answer in time".into())),
            },
        };
        let status = answer.status().as_u16();
        (around.log)(&around.masker.mask(&format!("{name} → {status}")));
        if !request.accept.contains(status) {
            return Err(HttpError {
                status: Some(status),
                retryable: matches!(status, 408 | 420 | 425 | 429 | 500..),
                ..HttpError::permanent(format!("{name} answered {status}"))
            });
        }
        let text = |value: &reqwest::header::HeaderValue| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        Ok(HttpResponse {
            head: HttpHead {
                status,
                headers: answer
                    .headers()
                    .iter()
                    .map(|(key, value)| (key.as_str().to_owned(), text(value)))
                    .collect(),
                url: around.masker.mask(url.as_str()),
                location: url,
            },
            body: HttpStream {
                response: answer,
                name,
                deadline,
                read_timeout,
                limit: limits.body_limit.unwrap_or(self.shared.body_limit),
                received: 0,
                repeatable,
                cancel: around.cancel.clone(),
            },
        })
    }

    /// Sends a request and reads the whole answer, at most `limit` bytes, into memory. A body that is
    /// cut short is asked for again, as any transient failure.
    ///
    /// # Errors
    /// As [`send`](Self::send) and [`HttpStream::chunk`].
    pub async fn fetch(
        &self,
        request: &HttpRequest,
        limit: u64,
        around: &Sending,
    ) -> Result<(HttpHead, Bytes), HttpError> {
        self.send(request, around).await?.whole(limit).await
    }

    fn url(&self, request: &HttpRequest) -> Result<Url, HttpError> {
        let target = &request.target;
        let wrong = |error: &dyn std::fmt::Display| {
            HttpError::permanent(format!("`{target}` can't be asked for: {error}"))
        };
        let mut url = match &self.shared.base {
            Some(base) if !target.contains("://") => {
                let base = base.as_str().trim_end_matches('/');
                Url::parse(&format!("{base}/{}", target.trim_start_matches('/')))
            }
            _ => Url::parse(target),
        }
        .map_err(|error| wrong(&error))?;
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        Ok(url)
    }

    fn client(&self, request: &HttpRequest) -> Result<reqwest::Client, HttpError> {
        let shape = ClientShape {
            connect_timeout: request
                .limits
                .connect_timeout
                .unwrap_or(self.shared.connect_timeout),
            checked: request.checked_target,
        };
        let mut clients = self
            .shared
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&shape) {
            return Ok(client.clone());
        }
        let client = build(&shape)?;
        clients.insert(shape, client.clone());
        Ok(client)
    }
}
