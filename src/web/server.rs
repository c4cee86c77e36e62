//! Listens, and ends in good order.

use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::guard::Peer;
use super::listen::{Listen, Listener, Stream};
use super::{App, Trusted, guard, route};

/// Connections at the same time; the next ones wait in the kernel's queue.
const CONNECTIONS: usize = 1024;
/// How long a client may take for the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// How long answers may go on after it was told to end.
const GRACE: Duration = Duration::from_secs(3);

/// How pages and API are served.
#[derive(Debug, Clone)]
pub struct Serving {
    pub listen: Listen,
    /// What people type to reach it, such as `https://runner.example.org`.
    pub public_urls: Vec<String>,
    /// Who is believed when it tells whose request it hands on.
    pub trusted_proxies: Vec<Trusted>,
    /// Nobody has to sign in.
    pub open: bool,
}

/// Why it isn't served as was asked.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("{0} can be reached from other machines, and nobody would have to sign in")]
    Open(Listen),
    #[error("`{0}` is no address of a web page")]
    PublicUrl(String),
    #[error("cannot listen on {address}: {error}")]
    Listen {
        address: Listen,
        #[source]
        error: std::io::Error,
    },
}

impl Unfit {
    /// How to mend it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Open(_) => {
                "leave `--no-sign-in` out, or `--listen` on an address of this machine, such as \
                 127.0.0.1:8081"
            }
            Self::PublicUrl(_) => "write it like https://runner.example.org, without a path",
            Self::Listen {
                address: Listen::Socket(_),
                ..
            } => {
                "its folder must be there and be ours to write, and its path at most 107 bytes long"
            }
            Self::Listen { .. } => "`--listen 127.0.0.1:0` takes any port that is free",
        }
    }
}

/// The names under which it may be asked, exactly: whoever sends another one was led here by a
/// foreign page (DNS rebinding).
#[derive(Debug, Clone)]
pub struct Hosts {
    /// `(scheme, host with port)`.
    known: Vec<(&'static str, String)>,
    port: u16,
    /// How people reach it: the first public URL, or the address.
    url: String,
}

impl Hosts {
    /// The names of an address that is listened on, and the public ones.
    ///
    /// # Errors
    /// A public URL that is none.
    pub fn new(listen: &Listen, public_urls: &[String]) -> Result<Self, Unfit> {
        let mut known = Vec::new();
        let mut push = |scheme, host: String| {
            let default = if scheme == "https" { ":443" } else { ":80" };
            if let Some(bare) = host.strip_suffix(default) {
                known.push((scheme, bare.to_owned()));
            }
            known.push((scheme, host));
        };
        let port = match listen {
            Listen::Address(address) => {
                let port = address.port();
                push("http", address.to_string());
                if address.ip().is_loopback() || address.ip().is_unspecified() {
                    for name in ["localhost", "127.0.0.1", "[::1]"] {
                        push("http", format!("{name}:{port}"));
                    }
                }
                port
            }
            // No browser finds it, so none is led here: programs write what they like best.
            Listen::Socket(_) => {
                push("http", "localhost".to_owned());
                0
            }
        };
        for url in public_urls {
            let (scheme, host) = split(url).ok_or_else(|| Unfit::PublicUrl(url.clone()))?;
            push(scheme, host);
        }
        let url = match public_urls.first() {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => match listen {
                Listen::Address(address) if address.ip().is_unspecified() => {
                    format!("http://localhost:{port}")
                }
                Listen::Address(address) => format!("http://{address}"),
                Listen::Socket(_) => listen.to_string(),
            },
        };
        Ok(Self { known, port, url })
    }

    /// How people reach it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port that is listened on; 0: none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether people reach it by HTTPS, through a proxy.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.starts_with("https://")
    }

    /// Whether a request may name this host.
    #[must_use]
    pub fn allows(&self, host: &[u8]) -> bool {
        let mut known = self.known.iter();
        known.any(|(_, known)| known.as_bytes().eq_ignore_ascii_case(host))
    }

    /// Whether a request may come from a page of this origin.
    #[must_use]
    pub fn is_own_origin(&self, origin: &[u8]) -> bool {
        let mut known = self.known.iter();
        known.any(|(scheme, host)| {
            let rest = origin
                .strip_prefix(scheme.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"://"));
            rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host.as_bytes()))
        })
    }
}

/// Scheme and host of a URL that has nothing else.
fn split(url: &str) -> Option<(&'static str, String)> {
    let (scheme, host) = match url.split_once("://")? {
        ("http", host) => ("http", host),
        ("https", host) => ("https", host),
        _ => return None,
    };
    let host = host.strip_suffix('/').unwrap_or(host);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    (!host.is_empty() && host.chars().all(plain)).then(|| (scheme, host.to_ascii_lowercase()))
}

/// A place that is listened on.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    listen: Listen,
}

impl Server {
    /// Listens, unless that would let strangers in.
    ///
    /// # Errors
    /// [`Unfit`].
    pub async fn bind(serving: &Serving) -> Result<Self, Unfit> {
        if serving.open && !serving.listen.is_local() {
            return Err(Unfit::Open(serving.listen.clone()));
        }
        let bound = Listener::bind(&serving.listen).await;
        let (listener, listen) = bound.map_err(|error| Unfit::Listen {
            address: serving.listen.clone(),
            error,
        })?;
        Ok(Self { listener, listen })
    }

    /// Where it listens.
    #[must_use]
    pub fn listen(&self) -> &Listen {
        &self.listen
    }

    /// Serves until `told` is ready; what is being answered then may end.
    pub async fn serve(self, app: Arc<App>, told: impl Future<Output = ()>) {
        let router = Router::new()
            .fallback_service(route::router(app.clone()))
            .layer(from_fn_with_state(app, guard::enter));
        let graceful = GracefulShutdown::new();
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        tokio::pin!(told);
        loop {
            let accepted = tokio::select! {
                () = &mut told => break,
                accepted = accept(&self.listener, &room) => accepted,
            };
            let Some((stream, permit)) = accepted else {
                continue;
            };
            match stream {
                Stream::Tcp(stream, from) => {
                    let router = router.clone().layer(Extension(Peer(Some(from.ip()))));
                    answer(stream, router, &graceful, permit);
                }
                Stream::Unix(stream) => {
                    let router = router.clone().layer(Extension(Peer(None)));
                    answer(stream, router, &graceful, permit);
                }
            }
        }
        let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
    }
}

/// Answers all that a connection asks.
fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    graceful: &GracefulShutdown,
    permit: OwnedSemaphorePermit,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // Clients come and go as they like.
        let _ = connection.await;
        drop(permit);
    });
}

/// The next connection, when there is room for one.
async fn accept(
    listener: &Listener,
    room: &Arc<Semaphore>,
) -> Option<(Stream, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok(stream) => Some((stream, permit)),
        Err(error) => {
            // Too many open files, most of the time: it passes.
            tracing::warn!(%error, "a connection wasn't taken");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}
