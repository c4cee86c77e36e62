//! One try of a request: from its URL over redirects to an answer.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::{Method, Response, Url};

use super::address::{same_origin, shown};
use super::call::Call;
use super::cause::Failure;
use super::credentials::{Credentials, Signature};
use super::journal::Journal;
use super::network::{Guard, Refused};
use super::tries::Budget;
use super::unpack::ACCEPTED;
use super::upload::{open, patiently};
use super::written::written;
use super::{HttpError, HttpMethod, HttpResponse};
use crate::document::units::format_duration;

/// What other origins than the first may see of a request's own headers.
const HARMLESS: &[HeaderName] = &[
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_TYPE,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::RANGE,
    header::USER_AGENT,
];

/// One request of a chain of redirects.
struct Hop {
    method: HttpMethod,
    url: Url,
    /// An answer has sent it to another origin: nothing secret goes along from there on, not even
    /// when the way leads back.
    astray: bool,
    with_body: bool,
}

impl Call<'_> {
    /// Tries the request once.
    pub(super) async fn trip(
        &self,
        url: Url,
        budget: &mut Budget,
    ) -> Result<HttpResponse, Failure> {
        let mut hop = Hop {
            method: self.request.method,
            url,
            astray: false,
            with_body: true,
        };
        let mut seen = HashSet::from([(hop.method, hop.url.clone())]);
        let mut renewed = false;
        loop {
            let home = !hop.astray && self.is_home(&hop.url);
            let signature = match &self.shared.credentials {
                Credentials::Fixed(signature) if home => Some(signature.clone()),
                Credentials::Client(client) if home => {
                    Some(client.sign(budget, self.around).await?)
                }
                _ => None,
            };
            self.pass().await?;
            let name = format!("{} {}", hop.method.as_str(), shown(&hop.url));
            let mut journal = Journal::begin(name, self.around);
            let sent = self.exchange(&hop, home, signature.as_ref(), budget).await;
            let response = sent.inspect_err(|failure| journal.end(0, Some(&failure.reason)))?;
            let status = response.status().as_u16();
            journal.answered(status);
            if status == 401
                && let Credentials::Client(client) = &self.shared.credentials
                && let Some(Signature::Bearer(refused)) = &signature
                && !std::mem::replace(&mut renewed, true)
            {
                journal.end(0, Some("the token is renewed"));
                client.forget(refused).await;
                continue;
            }
            if self.request.accept.contains(status) {
                return self.answer((hop.method, &hop.url), response, journal, budget);
            }
            let Some(target) = redirect_target(&response) else {
                return Err(self.refused(response, journal, budget).await);
            };
            let next = self.next_hop(&hop, status, &target, &seen);
            hop = next.inspect_err(|failure| journal.end(0, Some(&failure.reason)))?;
            journal.end(0, Some(&format!("to {}", shown(&hop.url))));
            seen.insert((hop.method, hop.url.clone()));
        }
    }

    /// Waits for the rates of task and connection.
    async fn pass(&self) -> Result<(), Failure> {
        let rates = [&self.request.rate, &self.shared.rate];
        for rate in rates.into_iter().flatten() {
            tokio::select! {
                biased;
                () = self.around.cancel.cancelled() => return Err(Failure::cancelled()),
                () = rate.pass() => {}
            }
        }
        Ok(())
    }

    /// Sends a hop and waits for the head of its answer.
    async fn exchange(
        &self,
        hop: &Hop,
        home: bool,
        signature: Option<&Signature>,
        budget: &mut Budget,
    ) -> Result<Response, Failure> {
        let guard = Guard {
            checked: self.request.checked_target || hop.astray,
            ..self.shared.guard.clone()
        };
        guard
            .check_literal(&hop.url)
            .map_err(|error| refused(&error))?;
        if guard.is_needed() && !self.shared.client.proxies.is_empty() {
            let checked = budget
                .spend(guard.check_name(&hop.url), self.around)
                .await?;
            checked.map_err(|error| refused(&error))?;
        }
        let mut headers = self.headers(home).map_err(permanent)?;
        if hop.astray {
            keep_harmless(&mut headers);
        }
        if !hop.with_body {
            headers.remove(header::CONTENT_TYPE);
        }
        if let Some(sent) = &self.around.sent {
            let body = hop.with_body.then_some(&self.request.body);
            let line = format!("{} {}", hop.method.as_str(), shown(&hop.url));
            sent(&|| written(&line, &headers, signature.is_some(), body));
        }
        let client = self.client(guard).map_err(permanent)?;
        let method = Method::from_bytes(hop.method.as_str().as_bytes());
        let method = method.map_err(|error| Failure::permanent(error.to_string()))?;
        let mut builder = client.request(method, hop.url.clone());
        if let Some(signature) = signature.filter(|_| !headers.contains_key(header::AUTHORIZATION))
        {
            builder = signature.sign(builder);
        }
        if !headers.contains_key(header::ACCEPT_ENCODING) {
            builder = builder.header(header::ACCEPT_ENCODING, ACCEPTED);
        }
        let moved = Arc::new(AtomicU64::new(0));
        if hop.with_body
            && let Some(upload) = open(&self.request.body, &moved).await?
        {
            if !headers.contains_key(header::CONTENT_TYPE) {
                builder = builder.header(header::CONTENT_TYPE, upload.content_type);
            }
            let builder_with = builder.header(header::CONTENT_LENGTH, upload.length);
            builder = builder_with.body(upload.body);
        }
        let sending = builder.headers(headers).send();
        let sending = patiently(sending, self.read_timeout(), &moved);
        match budget.spend(sending, self.around).await? {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => Err(Failure::of_library(&error, self.connect_timeout())),
            None => {
                let silence = format_duration(self.read_timeout());
                Err(Failure::transient(format!("no answer for {silence}")))
            }
        }
    }

    /// Where an answer leads.
    fn next_hop(
        &self,
        hop: &Hop,
        status: u16,
        target: &str,
        seen: &HashSet<(HttpMethod, Url)>,
    ) -> Result<Hop, Failure> {
        let limit = self.shared.policy.redirects as usize;
        if seen.len() > limit {
            return Err(Failure::permanent(match limit {
                0 => format!("it answered {status}, and redirects aren't followed"),
                1 => "it was redirected more than once".to_owned(),
                limit => format!("it was redirected more than {limit} times"),
            }));
        }
        let url = hop.url.join(target).ok();
        let mut url = url
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| Failure::permanent("it was redirected to what is no http URL"))?;
        url.set_fragment(None);
        // A name and a password that somebody else writes into a URL aren't ours to send.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        // RFC 9110, section 15.4: 303 asks for the result, and so do 301 and 302 after a POST.
        let as_get = status == 303 && hop.method != HttpMethod::Head
            || matches!(status, 301 | 302) && hop.method == HttpMethod::Post;
        let next = Hop {
            method: if as_get { HttpMethod::Get } else { hop.method },
            astray: hop.astray || !same_origin(&hop.url, &url),
            with_body: hop.with_body && !as_get,
            url,
        };
        if seen.contains(&(next.method, next.url.clone())) {
            let message = format!("it is redirected in a circle, at {}", shown(&next.url));
            return Err(Failure::permanent(message));
        }
        Ok(next)
    }
}

fn permanent(error: HttpError) -> Failure {
    Failure::permanent(error.message)
}

fn refused(refused: &Refused) -> Failure {
    Failure::permanent(refused.to_string())
}

/// Leaves only what any server may see.
fn keep_harmless(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> = headers.keys().cloned().collect();
    for name in names {
        if !HARMLESS.contains(&name) {
            headers.remove(&name);
        }
    }
}

/// Where an answer says to go.
fn redirect_target(response: &Response) -> Option<String> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let target = response.headers().get(header::LOCATION)?;
    Some(String::from_utf8_lossy(target.as_bytes()).into_owned())
}
