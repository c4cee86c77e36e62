//! A request as its connection makes it: URL, headers, client.

use std::sync::PoisonError;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};

use super::address::{is_whole, join, same_origin, whole};
use super::api::Shared;
use super::client::{ClientShape, build};
use super::network::Guard;
use super::{HttpError, HttpRequest, Sending};

/// A request on its way.
pub(super) struct Call<'a> {
    pub(super) shared: &'a Shared,
    /// The URL of the connection's base.
    pub(super) base: Option<Url>,
    pub(super) request: &'a HttpRequest,
    pub(super) around: &'a Sending,
}

impl Call<'_> {
    /// The URL that the request goes to.
    ///
    /// # Errors
    /// The target is no path below the base and no URL.
    pub(super) fn url(&self) -> Result<Url, HttpError> {
        let target = &self.request.target;
        let url = match &self.base {
            Some(base) if !is_whole(target) => join(base, target),
            None if !is_whole(target) => Err("expected a whole URL such as `https://…`".to_owned()),
            _ => whole(target),
        };
        let mut url = url.map_err(|reason| {
            // Its parameters may be secret, and so is what stands before an `@`.
            let target = target.split('?').next().unwrap_or_default();
            let (_, target) = target.rsplit_once('@').unwrap_or(("", target));
            HttpError::permanent(format!("`{target}` can't be asked for: {reason}"))
        })?;
        let given = &self.request.query;
        let own: &[_] = if self.is_home(&url) {
            self.shared.query.reveal()
        } else {
            &[]
        };
        let own = own
            .iter()
            .filter(|(name, _)| given.iter().all(|(other, _)| other != name));
        let all: Vec<_> = own.chain(given).collect();
        if !all.is_empty() {
            let pairs = all.into_iter().map(|(name, value)| (name, value));
            url.query_pairs_mut().extend_pairs(pairs);
        }
        Ok(url)
    }

    /// Whether a URL is of the base's origin, which alone sees what the connection knows.
    pub(super) fn is_home(&self, url: &Url) -> bool {
        let base = self.base.as_ref();
        base.is_some_and(|base| same_origin(base, url))
    }

    /// The headers of the request: those of the connection where they may be seen, replaced by its
    /// own.
    ///
    /// # Errors
    /// One isn't allowed by the protocol. Its value isn't repeated.
    pub(super) fn headers(&self, home: bool) -> Result<HeaderMap, HttpError> {
        let mut headers = if home {
            self.shared.headers.clone()
        } else {
            HeaderMap::new()
        };
        let mut own = HeaderMap::new();
        let request = self.request;
        let key = request.idempotency_key.as_ref();
        let key = key.map(|key| ("idempotency-key", key));
        let given = request.headers.iter();
        let given = given.map(|(name, value)| (name.as_str(), value));
        for (name, value) in key.into_iter().chain(given) {
            let (name, value) = read_header(name, value)?;
            headers.remove(&name);
            if !value.is_empty() {
                own.append(name, value);
            }
        }
        headers.extend(own);
        Ok(headers)
    }

    /// The client behind a guard.
    ///
    /// # Errors
    /// It can't be made.
    pub(super) fn client(&self, guard: Guard) -> Result<Client, HttpError> {
        let shape = ClientShape {
            connect_timeout: self.connect_timeout(),
            guard,
        };
        let clients = &self.shared.clients;
        let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&shape) {
            return Ok(client.clone());
        }
        let client = build(&self.shared.client, &shape)?;
        clients.insert(shape, client.clone());
        Ok(client)
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        let own = self.request.limits.connect_timeout;
        own.unwrap_or(self.shared.policy.connect_timeout)
    }

    pub(super) fn read_timeout(&self) -> Duration {
        let own = self.request.limits.read_timeout;
        own.unwrap_or(self.shared.policy.read_timeout)
    }

    pub(super) fn body_limit(&self) -> u64 {
        let own = self.request.limits.body_limit;
        own.unwrap_or(self.shared.policy.body_limit)
    }
}

/// A header as the protocol allows it. Spaces around a value don't count.
///
/// # Errors
/// It isn't allowed. Its value isn't repeated.
pub(super) fn read_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HttpError> {
    let read = HeaderName::from_bytes(name.as_bytes());
    let read =
        read.map_err(|_| HttpError::permanent(format!("`{name}` is no name of a header")))?;
    if FRAMING.contains(&read.as_str()) {
        let message = format!("header `{name}` is set by the protocol: leave it out");
        return Err(HttpError::permanent(message));
    }
    let value = HeaderValue::from_str(value.trim()).map_err(|_| {
        HttpError::permanent(format!(
            "the value of header `{name}` has a character that headers can't have, such as a line end"
        ))
    })?;
    Ok((read, value))
}

/// What says where a message ends and who gets it.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "transfer-encoding",
    "upgrade",
];
