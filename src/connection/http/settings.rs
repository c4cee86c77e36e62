//! What a project says of an HTTP connection.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::connection::Rate;
use crate::document::{ByteSize, Map, Spanned};

crate::record! {
    /// An HTTP API.
    pub struct Settings as "an http connection" {
        /// What the paths of requests are below, such as `https://api.example.com/v3`.
        base_url: Spanned<String>,
        /// Sent with every request. An empty value leaves the header out.
        headers: Map<Spanned<String>>,
        /// Added to the query of every request. An empty value leaves it out.
        query: Map<Spanned<String>>,
        /// How it signs in.
        auth: Option<Auth>,
        /// Certificates, where those of the system don't do.
        tls: Option<Tls>,
        /// The URL of a proxy, or `none`. Default: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
        /// `NO_PROXY` of the environment.
        proxy: Option<Spanned<String>>,
        /// How many redirects are followed.
        redirects: u32 = "10" => 10,
        /// How many requests in which time: `1/s`, or `{ rate: 100/m, burst: 10 }`; for all tasks and
        /// runs of the process together.
        rate_limit: Option<Rate>,
        /// From the start of a request to the last byte of its answer.
        timeout: Duration = "5m" => Duration::from_mins(5),
        /// Until there is a connection, TLS included.
        connect_timeout: Duration = "10s" => Duration::from_secs(10),
        /// Between two bytes of an answer, and until its first.
        read_timeout: Duration = "30s" => Duration::from_secs(30),
        /// The longest body of an answer, as it is sent and as it is unpacked.
        body_limit: ByteSize = "1GiB" => ByteSize(1 << 30),
        /// How often a request is sent within one attempt of a task when the cause is transient. A
        /// POST or PATCH counts as safe to repeat only where the task says so.
        tries: NonZeroU32 = "3" => THREE,
        /// The longest wait between two tries, also when the server asks for more
        /// (`Retry-After`): then the attempt fails, and the next one waits.
        longest_wait: Duration = "30s" => Duration::from_secs(30),
    }
}

const THREE: NonZeroU32 = NonZeroU32::new(3).expect("3 isn't 0");

crate::record! {
    /// How a connection signs in: one of these.
    pub struct Auth as "auth" {
        /// A name and a password (RFC 7617).
        basic: Option<Basic>,
        /// A token (RFC 6750).
        bearer: Option<Spanned<String>>,
        /// A token that is fetched with the client's own credentials (RFC 6749, section 4.4).
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
        client_id: Spanned<String>,
        client_secret: Spanned<String>,
        /// The scopes to ask for, separated by spaces.
        scope: Option<String>,
        /// The audience to ask for, where the server wants one.
        audience: Option<String>,
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
