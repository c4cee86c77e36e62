//! One request: where it goes and what it says.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use crate::connection::{
    HttpApi, HttpBody, HttpLimits, HttpMethod, HttpRequest, Rate, RateLimit, Sending, StatusSet,
};
use crate::document::{ByteSize, Diagnostic, Map, Node, Span, Spanned};
use crate::model::ConnectionId;
use crate::task::{AttemptContext, Guarantee, Surroundings, TaskFailure};
use crate::template::{Scope, Template, TemplateValue};

/// The keys of a request as they were written, whichever record they come from.
pub struct RawCall<'a> {
    pub span: Span,
    pub connection: Option<&'a Spanned<String>>,
    /// A whole URL, in place of a connection and a path.
    pub url: Option<&'a Spanned<String>>,
    /// The method's key and what stands behind it, of each that is given.
    pub methods: Vec<(HttpMethod, &'a Spanned<String>)>,
    pub query: &'a Map<Node>,
    pub headers: &'a Map<Spanned<String>>,
    pub rate_limit: Option<Rate>,
    pub status: StatusSet,
    pub timeout: Option<Duration>,
    pub connect_timeout: Option<Duration>,
    pub read_timeout: Option<Duration>,
    pub body_limit: Option<ByteSize>,
    pub tries: Option<NonZeroU32>,
    pub idempotent: bool,
}

/// A checked request.
#[derive(Debug)]
pub struct Call {
    pub connection: Option<ConnectionId>,
    pub method: HttpMethod,
    target: Template,
    query: Vec<(String, TemplateValue)>,
    headers: Vec<(String, Template)>,
    rate: Option<RateLimit>,
    pub status: StatusSet,
    pub limits: HttpLimits,
    pub idempotent: bool,
}

impl Call {
    /// Checks what was written.
    pub fn read(raw: &RawCall<'_>, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        let connection = match raw.connection {
            Some(name) => surroundings.connection(name, &["http"]).map(Some),
            None => Some(None),
        };
        let target = target(raw, surroundings.report).map(|(method, target)| {
            let target = surroundings.template(target);
            target.map(|target| (method, target))
        });
        let query: Vec<Option<_>> = raw
            .query
            .0
            .iter()
            .map(|(name, node)| Some((name.value.clone(), surroundings.template_value(node)?)))
            .collect();
        let headers: Vec<Option<_>> = raw
            .headers
            .0
            .iter()
            .map(|(name, text)| {
                check_header(name, surroundings)?;
                Some((name.value.clone(), surroundings.template(text)?))
            })
            .collect();
        let (method, target) = target??;
        Some(Self {
            connection: connection?,
            method,
            target,
            query: query.into_iter().collect::<Option<_>>()?,
            headers: headers.into_iter().collect::<Option<_>>()?,
            rate: raw.rate_limit.map(RateLimit::new),
            status: raw.status.clone(),
            limits: HttpLimits {
                timeout: raw.timeout,
                connect_timeout: raw.connect_timeout,
                read_timeout: raw.read_timeout,
                body_limit: raw.body_limit.map(|limit| limit.0),
                tries: raw.tries.map(NonZeroU32::get),
            },
            idempotent: raw.idempotent,
        })
    }

    /// What it is sent through.
    pub fn api<'a>(&self, attempt: &'a AttemptContext) -> Result<&'a HttpApi, TaskFailure> {
        let Some(name) = &self.connection else {
            return Ok(attempt.connections.anywhere());
        };
        attempt
            .connections
            .http(name.as_str())
            .ok_or_else(|| TaskFailure::permanent(format!("connection `{name}` is no HTTP API")))
    }

    /// The request with the values of its templates. `key` is what a second try is recognised by.
    pub fn request(
        &self,
        scope: &Scope,
        body: HttpBody,
        key: String,
    ) -> Result<HttpRequest, TaskFailure> {
        let target = self.target.render(scope)?;
        let mut request = HttpRequest::new(self.method, target);
        let outside = self.connection.is_none() || request.target.contains("://");
        request.checked_target = outside && !self.target.is_literal();
        for (name, value) in &self.query {
            match value.evaluate(scope)? {
                Json::Null => {}
                // Several values of one name, as most APIs take them.
                Json::Array(values) => request
                    .query
                    .extend(values.iter().map(|value| (name.clone(), plain_text(value)))),
                value => request.query.push((name.clone(), plain_text(&value))),
            }
        }
        for (name, value) in &self.headers {
            request.headers.push((name.clone(), value.render(scope)?));
        }
        request.body = body;
        if self.idempotent {
            request.retry_writes = true;
            request.idempotency_key = Some(key);
        } else if !self.method.is_idempotent() {
            // Servers that know it do it once; that this one does is nothing to rely on.
            request.headers.push(("idempotency-key".to_owned(), key));
        }
        request.limits = self.limits.clone();
        request.accept = self.status.clone();
        request.rate.clone_from(&self.rate);
        Ok(request)
    }

    /// How often the effects of a request happen.
    pub fn guarantee(&self) -> Guarantee {
        if self.method.is_idempotent() || self.idempotent {
            return Guarantee::ExactlyOnce;
        }
        Guarantee::AtLeastOnce {
            reason: format!(
                "a {} whose answer was lost is sent again: add `idempotent: true` if the API knows `Idempotency-Key`",
                self.method.as_str()
            ),
        }
    }
}

/// What requests of an attempt are sent in.
pub fn around(attempt: &AttemptContext) -> Sending {
    let log = attempt.log.clone();
    Sending {
        log: Arc::new(move |line| log.info(line)),
        cancel: attempt.cancel.clone(),
        clock: attempt.clock.clone(),
        sent: Some(attempt.log.requests()),
        masker: attempt.log.masker().clone(),
    }
}

/// A value as it stands in a query or a form: texts without quotes.
pub(super) fn plain_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn target<'a>(
    raw: &RawCall<'a>,
    report: &mut crate::document::Report,
) -> Option<(HttpMethod, &'a Spanned<String>)> {
    let words: Vec<String> = raw
        .methods
        .iter()
        .map(|(method, _)| format!("`{}`", method.as_str().to_lowercase()))
        .chain(raw.url.map(|_| "`url`".to_owned()))
        .collect();
    let (method, target) = match (raw.methods.as_slice(), raw.url) {
        ([(method, target)], None) => (*method, *target),
        ([], Some(url)) => (HttpMethod::Get, url),
        ([], None) => {
            report.push(
                Diagnostic::error(
                    "missing-key",
                    "a request needs a method and a path",
                    raw.span,
                )
                .label("add `get:`, `post:`, `put:`, `patch:`, `delete:` or `head:` with a path"),
            );
            return None;
        }
        _ => {
            report.push(
                Diagnostic::error(
                    "conflicting-keys",
                    format!(
                        "a request has one method, this one has {}",
                        words.join(" and ")
                    ),
                    raw.span,
                )
                .label("leave one of them")
                .help("`url:` is short for `get:` with a whole URL"),
            );
            return None;
        }
    };
    if let (Some(connection), Some(url)) = (raw.connection, raw.url) {
        report.push(
            Diagnostic::error(
                "conflicting-keys",
                "a whole `url` needs no connection",
                url.span,
            )
            .help(format!(
                "with connection `{}` write the path behind `get:`",
                connection.value
            )),
        );
        return None;
    }
    let whole = ["http://", "https://", "{{"];
    if raw.connection.is_none() && !whole.iter().any(|start| target.starts_with(start)) {
        report.push(
            Diagnostic::error(
                "missing-key",
                format!("`{}` is a path: below which connection?", target.value),
                target.span,
            )
            .label("add `connection:`, or write a whole URL"),
        );
        return None;
    }
    Some((method, target))
}

fn check_header(name: &Spanned<String>, surroundings: &mut Surroundings<'_>) -> Option<()> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !name.is_empty() && name.chars().all(token) {
        return Some(());
    }
    surroundings.report.push(Diagnostic::error(
        "invalid-value",
        format!("`{}` is no name of a header", name.value),
        name.span,
    ));
    None
}
