//! What is asked.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use schemars::{Schema, json_schema};

use crate::connection::RateLimit;
use crate::document::{Diagnostic, FromNode, Node, OneOrMany, Report, Value};

/// A request's method (RFC 9110, PATCH by RFC 5789).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpMethod {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl HttpMethod {
    /// As the protocol spells it: `GET`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether sending it twice does no more than sending it once, by the protocol.
    #[must_use]
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch)
    }
}

/// What a request carries. It may be sent more than once: on retries and redirects.
#[derive(Debug, Clone, Default)]
pub enum HttpBody {
    #[default]
    Empty,
    Bytes {
        content_type: String,
        bytes: Bytes,
    },
    /// A file, read as it is sent.
    File {
        content_type: String,
        path: PathBuf,
    },
}

/// The limits of one request; what is `None` is the connection's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpLimits {
    /// From the start of the request to the last byte of its answer, with all its tries, waits and
    /// redirects. Not counted: the wait for the rate limit, and the time that the reader of the body
    /// takes for what it has read.
    pub timeout: Option<Duration>,
    /// Until there is a connection, TLS included.
    pub connect_timeout: Option<Duration>,
    /// Between two bytes of the answer, and until its first; a body that is being sent holds it up.
    pub read_timeout: Option<Duration>,
    /// Bytes of the answer's body, as sent and as unpacked.
    pub body_limit: Option<u64>,
    /// How often it is sent within one attempt, from 1.
    pub tries: Option<u32>,
}

/// The statuses that are answers and not failures. Default: 200 to 299.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(Vec<RangeInclusive<u16>>);

impl Default for StatusSet {
    fn default() -> Self {
        Self(vec![200..=299])
    }
}

impl StatusSet {
    /// The statuses in any of these ranges.
    #[must_use]
    pub fn new(ranges: Vec<RangeInclusive<u16>>) -> Self {
        Self(ranges)
    }

    /// Whether a status is in it.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

/// One status, `404`, or a class of them, `4xx`.
struct Statuses(RangeInclusive<u16>);

impl FromNode for Statuses {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let read = match &node.value {
            Value::Number(digits) => digits.parse().ok().map(|status: u16| status..=status),
            Value::Text(text) => text
                .strip_suffix("xx")
                .and_then(|digit| digit.parse().ok())
                .filter(|class: &u16| (1..=5).contains(class))
                .map(|class| class * 100..=class * 100 + 99),
            _ => None,
        };
        let read = read.filter(|range| (100..=599).contains(range.start()));
        if read.is_none() {
            report.push(
                Diagnostic::error("invalid-value", "this is no status", node.span)
                    .label("expected a status such as `200`, or a class such as `2xx`"),
            );
        }
        read.map(Self)
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 100, "maximum": 599 },
            { "type": "string", "pattern": "^[1-5]xx$" }
        ] })
    }
}

impl FromNode for StatusSet {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let read = OneOrMany::<Statuses>::from_node(node, report)?;
        Some(Self(
            read.0.into_iter().map(|Statuses(range)| range).collect(),
        ))
    }

    fn schema() -> Schema {
        OneOrMany::<Statuses>::schema()
    }
}

/// A request. [`HttpRequest::new`] gives one with nothing but method and target.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    pub method: HttpMethod,
    /// A path below the connection's `base_url` (with or without `/`, and maybe with a query), or a
    /// whole URL. A URL of another origin than the base's gets none of the connection's headers,
    /// query or credentials.
    pub target: String,
    /// Added to the target's own query; encoded when it is sent.
    pub query: Vec<(String, String)>,
    /// They replace the connection's of the same name. An empty value leaves the header out.
    pub headers: Vec<(String, String)>,
    pub body: HttpBody,
    /// Sent as `Idempotency-Key`, the same at every try, for servers that know it.
    pub idempotency_key: Option<String>,
    /// The caller says that sending it twice does no harm, although it is a POST or PATCH.
    pub retry_writes: bool,
    /// Where it goes depends on values from outside: addresses of the machine's own link and of
    /// cloud metadata services are refused, after DNS and at each redirect.
    pub checked_target: bool,
    pub limits: HttpLimits,
    pub accept: StatusSet,
    /// The task's own rate limit, besides the connection's.
    pub rate: Option<RateLimit>,
}

impl HttpRequest {
    /// A request without query, headers and body, with the connection's limits.
    #[must_use]
    pub fn new(method: HttpMethod, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: HttpBody::Empty,
            idempotency_key: None,
            retry_writes: false,
            checked_target: false,
            limits: HttpLimits::default(),
            accept: StatusSet::default(),
            rate: None,
        }
    }

    /// Whether it may be sent again when nobody knows whether it has arrived.
    #[must_use]
    pub fn may_repeat(&self) -> bool {
        self.method.is_idempotent() || self.retry_writes
    }
}
