//! Requests, and what went wrong with them.

use std::error::Error as _;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde_json::Value as Json;

use super::Refusal;
use crate::model::check_name;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take that isn't a stream: the server gives up before.
const PATIENCE: Duration = Duration::from_secs(90);
/// The version of this program.
const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");
/// The header that tells the version of a server.
pub const VERSION_HEADER: &str = "x-runner-version";
/// What a server says of a path that it doesn't know.
const UNKNOWN_PATH: &str = "there is nothing here";

/// A server of `runner web` or `runner schedule --web`.
#[derive(Debug)]
pub struct Server {
    client: Client,
    base: Url,
    /// As whoever asks calls it.
    name: String,
    has_token: bool,
}

/// An answer in JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub json: Json,
}

impl Server {
    /// A server by its address, `https://runner.example.org` or `unix:/run/runner.sock`, and the
    /// token that lets in. Nothing is asked yet.
    ///
    /// # Errors
    /// The address is none; the token can't be one; no TLS can be had.
    pub fn new(address: &str, token: Option<&str>) -> Result<Self, Refusal> {
        // Another library may have been faster: with the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
            let mut value = value.map_err(|_| {
                Refusal::mistake("RUNNER_TOKEN has characters that no token has")
                    .help("`runner token add` prints one, in one line")
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let builder = Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers);
        let (base, builder) = if let Some(path) = address.strip_prefix("unix:") {
            let builder = builder.no_proxy().unix_socket(PathBuf::from(path));
            (url("http://localhost")?, builder)
        } else {
            let base = url(address)?;
            let builder = if is_here(&base) {
                builder.no_proxy()
            } else {
                builder
            };
            (base, builder)
        };
        let client = builder.build().map_err(|error| {
            Refusal::broken(format!("no HTTP client can be made: {}", reason(&error)))
        })?;
        Ok(Self {
            client,
            base,
            name: address.trim_end_matches('/').to_owned(),
            has_token: token.is_some(),
        })
    }

    /// As whoever asks calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a token would cross a network where others can read it.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        self.has_token && self.base.scheme() == "http" && !is_here(&self.base)
    }

    /// Asks for something: `parts` of a path below `/api/v1`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn get(&self, parts: &[&str], query: &[(&str, String)]) -> Result<Json, Refusal> {
        let request = self.client.get(self.url(parts, query)?);
        let response = self.sent(request.timeout(PATIENCE)).await?;
        Ok(self.body(response).await?.json)
    }

    /// Wants something done. `key`: asked twice with it, it is done once.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn send(
        &self,
        method: &str,
        parts: &[&str],
        body: &Json,
        key: Option<&str>,
    ) -> Result<Answer, Refusal> {
        let method = match method {
            "PUT" => Method::PUT,
            "DELETE" => Method::DELETE,
            _ => Method::POST,
        };
        let mut request = self.client.request(method, self.url(parts, &[])?);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string())
            .timeout(PATIENCE);
        let response = self.sent(request).await?;
        self.body(response).await
    }

    /// Asks for something that is read piece by piece.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn stream(
        &self,
        parts: &[&str],
        query: &[(&str, String)],
    ) -> Result<Pieces<'_>, Refusal> {
        let request = self.client.get(self.url(parts, query)?);
        let response = self.sent(request).await?;
        Ok(Pieces {
            server: self,
            response,
        })
    }

    fn url(&self, parts: &[&str], query: &[(&str, String)]) -> Result<Url, Refusal> {
        let mut url = self.base.clone();
        let no_base = || Refusal::mistake(format!("`{}` is no address of a server", self.name));
        {
            let mut path = url.path_segments_mut().map_err(|()| no_base())?;
            path.pop_if_empty().extend(["api", "v1"]);
            for part in parts {
                // Such a path leads nowhere, and nothing has such a name.
                check_name(part).map_err(|_| {
                    Refusal::mistake(format!("`{part}` can't be a name"))
                        .help("names have letters, digits, `_` and `-`, 64 at most")
                })?;
                path.push(part);
            }
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// Sends a request, and takes what isn't refused.
    async fn sent(&self, request: reqwest::RequestBuilder) -> Result<Response, Refusal> {
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        Err(self.refused(status, &body).await)
    }

    async fn body(&self, response: Response) -> Result<Answer, Refusal> {
        let status = response.status();
        let version = version(&response);
        let body = response
            .bytes()
            .await
            .map_err(|error| self.failed(&error))?;
        if body.is_empty() {
            let json = Json::Null;
            return Ok(Answer {
                status: status.as_u16(),
                json,
            });
        }
        let json = serde_json::from_slice(&body)
            .map_err(|_| self.strange(version.as_deref(), "its answer isn't JSON"))?;
        Ok(Answer {
            status: status.as_u16(),
            json,
        })
    }

    /// What a server says by its status.
    async fn refused(&self, status: StatusCode, body: &Bytes) -> Refusal {
        let name = &self.name;
        let Some(problem) = Refusal::of_problem(status.as_u16(), body) else {
            let what = match status {
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => {
                    return Refusal::away(format!(
                        "the proxy at `{name}` doesn't reach the server ({status})"
                    ));
                }
                _ if status.is_redirection() => "leads elsewhere",
                _ => "doesn't answer as runner does",
            };
            return Refusal::broken(format!("`{name}` {what} ({status})"))
                .help("`--server` is the address of `runner web`, or of the proxy before it");
        };
        match status {
            StatusCode::UNAUTHORIZED if !self.has_token => {
                Refusal::mistake(format!("`{name}` asks for a token"))
                    .help("`runner token add NAME` on the server's machine prints one: put it into RUNNER_TOKEN")
            }
            StatusCode::UNAUTHORIZED => Refusal::mistake("RUNNER_TOKEN opens nothing").help(
                "it may have expired, or be another server's: `runner token list` on the server's \
                 machine shows all, `runner token add NAME` makes one",
            ),
            StatusCode::NOT_FOUND if problem.to_string() == UNKNOWN_PATH => self.older().await,
            _ => problem,
        }
    }

    /// A server that doesn't know a path is of another time.
    async fn older(&self) -> Refusal {
        let url = self.url(&["me"], &[]);
        let answer = match url {
            Ok(url) => self.client.get(url).timeout(PATIENCE).send().await.ok(),
            Err(_) => None,
        };
        let found = answer.filter(|answer| answer.status().is_success());
        match found {
            Some(answer) => self.strange(version(&answer).as_deref(), "it doesn't know this"),
            None => Refusal::broken(format!("`{}` doesn't answer as runner does", self.name))
                .help("`--server` is the address of `runner web`, or of the proxy before it"),
        }
    }

    /// A server that speaks otherwise.
    fn strange(&self, version: Option<&str>, what: &str) -> Refusal {
        let other = match version {
            Some(OWN_VERSION) => String::new(),
            Some(version) => format!(": it is runner {version}, and this is {OWN_VERSION}"),
            None => format!(": it is another version of runner than this, {OWN_VERSION}"),
        };
        Refusal::broken(format!(
            "`{}` can't be asked this{other} ({what})",
            self.name
        ))
        .help("use the same version here as there, or run the command on the server's machine")
    }

    /// A value that is a part of an answer.
    ///
    /// # Errors
    /// Its shape isn't known: the server is of another version.
    pub fn read<'a, T: serde::Deserialize<'a>>(&self, json: &'a Json) -> Result<T, Refusal> {
        T::deserialize(json).map_err(|error| self.strange(None, &error.to_string()))
    }

    /// What the library couldn't do.
    fn failed(&self, error: &reqwest::Error) -> Refusal {
        let (name, why) = (&self.name, reason(error));
        let mut text = String::new();
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            text.push_str(&error.to_string());
            cause = error.source();
        }
        if text.contains("certificate") {
            return Refusal::broken(format!("`{name}` can't be trusted: {why}")).help(
                "its certificate must be for this name and of an authority that this machine \
                 trusts; SSL_CERT_FILE=FILE names another one",
            );
        }
        if text.contains("InvalidContentType") || text.contains("corrupt message") {
            return Refusal::broken(format!("`{name}` doesn't speak TLS"))
                .help("without a proxy it is http://, not https://");
        }
        if error.is_timeout() {
            return Refusal::away(format!("`{name}` doesn't answer: {why}"));
        }
        if error.is_connect() {
            return Refusal::away(format!("`{name}` can't be reached: {why}")).help(
                "`runner web` or `runner schedule --web` serves there; `--server` or \
                 RUNNER_SERVER names another place",
            );
        }
        if text.contains("invalid HTTP") {
            return Refusal::broken(format!("`{name}` doesn't speak HTTP: {why}"))
                .help("behind TLS it is https://, not http://");
        }
        Refusal::away(format!("`{name}` went away: {why}"))
    }
}

/// An answer that is read piece by piece.
#[derive(Debug)]
pub struct Pieces<'a> {
    server: &'a Server,
    response: Response,
}

impl Pieces<'_> {
    /// The next piece; `None`: that was all.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let piece = self.response.chunk().await;
        piece.map_err(|error| self.server.failed(&error))
    }
}

fn url(text: &str) -> Result<Url, Refusal> {
    let wrong = || {
        Refusal::mistake(format!("`{text}` is no address of a server"))
            .help("write it like https://runner.example.org or unix:/run/runner.sock")
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() || !is_plain {
        return Err(wrong());
    }
    Ok(url)
}

/// Whether a URL leads to this machine.
fn is_here(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let address = bare.parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

fn version(response: &Response) -> Option<String> {
    let version = response.headers().get(VERSION_HEADER)?.to_str().ok()?;
    Some(version.to_owned())
}

/// The innermost cause, which is the one that says something.
fn reason(error: &reqwest::Error) -> String {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason = error.to_string();
        cause = error.source();
    }
    let mut letters = reason.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => "no reason is known".to_owned(),
    }
}
