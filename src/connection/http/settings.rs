//! What a project says of an HTTP connection.

use std::num::NonZeroU32;
use std::time::Duration;

use schemars::{Schema, json_schema};

use super::network::Refusal;
use crate::connection::Rate;
use crate::document::{ByteSize, FromNode, Map, Node, OneOrMany, Report, Spanned, Value};

crate::record! {
    /// An HTTP API.
    pub struct Settings as "an http connection" {
        /// What the paths of requests are below, such as `https://api.example.com/v3`;
        /// or an API of the project's private exchange: `exchange/bitso`, `exchange/coinbase`,
        /// `exchange/coingecko`, `exchange/kraken`.
        base_url: Spanned<String>,
        /// Sent with every request. An empty value leaves the header out.
        headers: Map<Spanned<String>>,
        /// Added to the query of every request. An empty value leaves it out.
        query: Map<Scalar>,
        /// How it signs in.
        auth: Option<Auth>,
        /// Certificates, where those of the system don't do.
        tls: Option<Tls>,
        /// The URL of a proxy, or `none`. Default: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
        /// `NO_PROXY` of the environment.
        proxy: Option<Spanned<String>>,
        /// Where requests must not go, besides link-local and metadata addresses, which are refused
        /// wherever a URL comes from outside: `private`, `loopback`, networks such as `10.0.0.0/8`.
        refuse: OneOrMany<Refusal>,
        /// How many redirects are followed.
        redirects: u32 = "10" => REDIRECTS,
        /// How many requests in which time: `1/s`, or `{ rate: 100/m, burst: 10 }`; for all tasks and
        /// runs of the process together.
        rate_limit: Option<Rate>,
        /// From the start of a request to the last byte of its answer, with all its tries. Not
        /// counted: the wait for the rate limit, and what is done with the records meanwhile.
        timeout: Duration = "5m" => TIMEOUT,
        /// Until there is a connection, TLS included.
        connect_timeout: Duration = "10s" => CONNECT_TIMEOUT,
        /// Between two bytes of an answer, and until its first.
        read_timeout: Duration = "30s" => READ_TIMEOUT,
        /// The longest body of an answer, as it is sent and as it is unpacked.
        body_limit: ByteSize = "1GiB" => BODY_LIMIT,
        /// How often a request is sent within one attempt of a task when the cause is transient. A
        /// POST or PATCH counts as safe to repeat only where the task says so.
        tries: NonZeroU32 = "3" => TRIES,
        /// The longest wait between two tries. When the server asks for more (`Retry-After`), the
        /// attempt fails, and the task's next one waits.
        longest_wait: Duration = "30s" => LONGEST_WAIT,
    }
}

/// A text, or what is written like one in a URL: a number, `true`, `false`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar(pub(super) String);

impl FromNode for Scalar {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        match &node.value {
            Value::Number(digits) => Some(Self(digits.to_string())),
            Value::Bool(value) => Some(Self(value.to_string())),
            _ => String::from_node(node, report).map(Self),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" }, { "type": "number" }, { "type": "boolean" }
        ] })
    }
}

const REDIRECTS: u32 = 10;
const TIMEOUT: Duration = Duration::from_mins(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const BODY_LIMIT: ByteSize = ByteSize(1 << 30);
const TRIES: NonZeroU32 = NonZeroU32::new(3).expect("3 isn't 0");
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The limits of all requests of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) redirects: u32,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) body_limit: u64,
    pub(super) tries: u32,
    pub(super) longest_wait: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            redirects: REDIRECTS,
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: READ_TIMEOUT,
            body_limit: BODY_LIMIT.0,
            tries: TRIES.get(),
            longest_wait: LONGEST_WAIT,
        }
    }
}

impl From<&Settings> for Policy {
    fn from(settings: &Settings) -> Self {
        Self {
            redirects: settings.redirects,
            timeout: settings.timeout,
            connect_timeout: settings.connect_timeout,
            read_timeout: settings.read_timeout,
            body_limit: settings.body_limit.0,
            tries: settings.tries.get(),
            longest_wait: settings.longest_wait,
        }
    }
}

crate::record! {
    /// How a connection signs in: one of these.
    pub struct Auth as "auth" {
        /// A name and a password (RFC 7617).
        basic: Option<Basic>,
        /// A token (RFC 6750).
        bearer: Option<Spanned<String>>,
        /// A token that is fetched with the client's own credentials (RFC 6749, section 4.4), kept
        /// until shortly before its end, and renewed once when the server refuses it.
        oauth2: Option<Oauth2>,
    }
}

crate::record! {
    /// A name and a password.
    pub struct Basic as "basic auth" {
        username: Spanned<String>,
        /// Empty when it is left out.
        password: Option<String>,
    }
}

crate::record! {
    /// Client credentials of OAuth 2.
    pub struct Oauth2 as "oauth2" {
        /// Where tokens are given.
        token_url: Spanned<String>,
        client_id: String,
        client_secret: String,
        /// The scopes to ask for, separated by spaces.
        scope: Option<String>,
        /// The audience to ask for, where the server wants one.
        audience: Option<String>,
        /// How the client says who it is: in the `header` (RFC 6749, section 2.3.1), or in the `body`.
        send_in: Place = "header" => Place::Header,
    }
}

crate::choice! {
    /// Where a client's credentials stand in its request.
    pub enum Place as "place" {
        Header = "header",
        Body = "body",
    }
}

crate::record! {
    /// Certificates of a connection, as paths of PEM files.
    pub struct Tls as "tls" {
        /// Authorities to trust besides those of the system.
        ca: Option<Spanned<String>>,
        /// The client's own certificate, with its chain.
        certificate: Option<Spanned<String>>,
        /// The key of that certificate.
        key: Option<Spanned<String>>,
    }
}
