//! The server: which API is asked, how often, and what goes wrong with the answer.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::fault::{Fault, FaultRule, with_wrong_types};
use super::market::Market;
use super::reply::{Asked, Reply};
use super::throttle::Throttle;
use super::{APIS, Api, records};
use crate::model::Timestamp;

/// How often a client may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateMode {
    /// As often as the real API lets a client without an account.
    Real,
    /// As often as it likes.
    Unlimited,
}

/// What an exchange is like.
pub struct ExchangeOptions {
    /// The same seed and time give the same answers.
    pub seed: u64,
    /// The time, as long as nobody sets another one by `PUT /clock`.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// How often a client may ask.
    pub rate: RateMode,
    /// What goes wrong, as long as nobody sets other faults by `PUT /faults`.
    pub faults: Vec<FaultRule>,
}

/// An exchange, ready to serve.
pub struct Exchange {
    market: Market,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// The time that stands still, set by `PUT /clock`.
    fixed: Mutex<Option<Timestamp>>,
    /// One for each of [`APIS`]; none when clients may ask as often as they like.
    throttles: Vec<Throttle>,
    faults: Mutex<Vec<FaultRule>>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

impl Exchange {
    /// An exchange of these options.
    #[must_use]
    pub fn new(options: ExchangeOptions) -> Self {
        let throttles = match options.rate {
            RateMode::Real => APIS.iter().map(|api| Throttle::new(api.limit)).collect(),
            RateMode::Unlimited => Vec::new(),
        };
        Self {
            market: Market { seed: options.seed },
            clock: options.clock,
            fixed: Mutex::new(None),
            throttles,
            faults: Mutex::new(options.faults),
        }
    }

    /// The variables that turn the connections of the repository's project to an exchange at `url`.
    pub fn variables(url: &str) -> impl Iterator<Item = (&'static str, String)> {
        APIS.iter()
            .map(move |api| (api.variable, format!("{url}/{}", api.name)))
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// The listener fails for good.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let router = Router::new().fallback(respond).with_state(Arc::new(self));
        // Small answers leave at once.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await
    }

    fn now(&self) -> Timestamp {
        lock(&self.fixed).unwrap_or_else(|| (self.clock)())
    }

    fn answer(&self, path: &str, query: &[(String, String)], now: Timestamp) -> Reply {
        let ask = |path| Asked {
            path,
            query,
            market: self.market,
            now,
        };
        if path == "/records" {
            return records::answer(&ask(path));
        }
        let Some((index, api, below)) = api_of(path) else {
            return not_found();
        };
        let admitted = self.throttles.get(index).map_or(Ok(()), Throttle::admit);
        match admitted {
            Ok(()) => (api.answer)(&ask(below)),
            Err(seconds) => (api.throttled)(Some(seconds)),
        }
    }

    /// What goes wrong with a request: what it asks for itself, then what everybody gets.
    fn fault(&self, path: &str, own: Option<FaultRule>) -> Option<Fault> {
        if let Some(own) = own {
            return Some(own.fault);
        }
        let mut rules = lock(&self.faults);
        rules.iter_mut().find_map(|rule| {
            let strikes = rule.strikes(path);
            strikes.then(|| rule.fault.clone())
        })
    }

    /// `/clock` and `/faults`: for whoever tries out what happens when.
    fn administer(&self, method: &Method, path: &str, body: &str) -> Option<Reply> {
        let wrong = |problem: String| Reply::json(400, &json!({ "error": problem }));
        match (path, method.as_str()) {
            ("/clock", "PUT") => match body.trim().parse::<Timestamp>() {
                Ok(time) => *lock(&self.fixed) = Some(time),
                Err(error) => return Some(wrong(format!("`{}`: {error}", body.trim()))),
            },
            ("/clock", "DELETE") => *lock(&self.fixed) = None,
            ("/faults", "PUT") => {
                let lines = body.lines().map(str::trim).filter(|line| !line.is_empty());
                match lines
                    .map(str::parse)
                    .collect::<Result<Vec<FaultRule>, String>>()
                {
                    Ok(rules) => *lock(&self.faults) = rules,
                    Err(problem) => return Some(wrong(problem)),
                }
            }
            ("/faults", "DELETE") => lock(&self.faults).clear(),
            ("/clock" | "/faults", "GET") => {}
            ("/", "GET") => {
                let roots: Vec<String> = APIS
                    .iter()
                    .map(|api| format!("/{}{}", api.name, api.root))
                    .collect();
                let body = json!({ "apis": roots, "seed": self.market.seed, "now": self.now() });
                return Some(Reply::json(200, &body));
            }
            _ => return None,
        }
        Some(Reply::json(
            200,
            &json!({ "now": self.now(), "faults": lock(&self.faults).len() }),
        ))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_found() -> Reply {
    Reply::json(404, &json!({ "error": "not found" }))
}

/// The API of a path, its place in the table, and the path below its root.
fn api_of(path: &str) -> Option<(usize, &'static Api, &str)> {
    let (name, below) = path.strip_prefix('/')?.split_once('/')?;
    let index = APIS.iter().position(|api| api.name == name)?;
    let api = &APIS[index];
    let below = &path[path.len() - below.len() - 1..];
    Some((index, api, below.strip_prefix(api.root).unwrap_or(below)))
}

async fn respond(
    State(exchange): State<Arc<Exchange>>,
    Query(query): Query<Vec<(String, String)>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    // No request has more to say than some faults.
    let body = axum::body::to_bytes(body, 64 * 1024)
        .await
        .unwrap_or_default();
    let body = String::from_utf8_lossy(&body);
    if let Some(reply) = exchange.administer(&parts.method, path, &body) {
        return whole(reply);
    }
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return whole(Reply::json(405, &json!({ "error": "method not allowed" })));
    }
    let own = match own_fault(&query, &parts.headers)
        .map(str::parse)
        .transpose()
    {
        Ok(own) => own,
        Err(problem) => return whole(Reply::json(400, &json!({ "error": problem }))),
    };
    let fault = exchange.fault(path, own);
    if let Some(Fault::Latency(time)) = &fault {
        tokio::time::sleep(*time).await;
    }
    let reply = match (&fault, api_of(path)) {
        (Some(Fault::Status(status)), _) => Reply::text(*status, "{}".to_owned()),
        (Some(Fault::Throttle(after)), Some((_, api, _))) => (api.throttled)(*after),
        _ => exchange.answer(path, &query, exchange.now()),
    };
    match fault {
        Some(Fault::Truncate(bytes)) => partly(reply, bytes, After::End),
        Some(Fault::Stall(bytes)) => partly(reply, bytes, After::Nothing),
        Some(Fault::Dribble(bytes)) => slowly(reply, bytes),
        Some(Fault::Types) => {
            let value: Value = serde_json::from_str(&reply.body).unwrap_or_default();
            let body = with_wrong_types(value).to_string();
            whole(Reply { body, ..reply })
        }
        _ => whole(reply),
    }
}

/// The fault that a request asks for itself, by `?fault=` or the header `x-fault`.
fn own_fault<'a>(query: &'a [(String, String)], headers: &'a HeaderMap) -> Option<&'a str> {
    let in_query = query.iter().find(|(key, _)| key == "fault");
    let in_header = || headers.get("x-fault").and_then(|value| value.to_str().ok());
    in_query.map(|(_, value)| value.as_str()).or_else(in_header)
}

/// What comes behind the first part of a body.
#[derive(Clone, Copy)]
enum After {
    End,
    Nothing,
}

fn whole(reply: Reply) -> Response {
    let body = Body::from(reply.body.clone());
    response(reply, None, body)
}

fn partly(reply: Reply, bytes: usize, after: After) -> Response {
    let length = reply.body.len();
    let first = Bytes::copy_from_slice(&reply.body.as_bytes()[..bytes.min(length)]);
    let first = stream::once(async { Ok(first) });
    let rest = match after {
        After::End => {
            let end = io::Error::from(io::ErrorKind::ConnectionReset);
            // The first part is sent when the next one lets itself be waited for.
            stream::once(async {
                tokio::task::yield_now().await;
                Err(end)
            })
            .left_stream()
        }
        After::Nothing => stream::pending().right_stream(),
    };
    response(reply, Some(length), Body::from_stream(first.chain(rest)))
}

fn slowly(reply: Reply, bytes: usize) -> Response {
    let length = reply.body.len();
    let body = Bytes::from(reply.body.clone());
    let pieces = stream::unfold(body, move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let piece = left.split_to(bytes.min(left.len()));
        Some((Ok::<_, io::Error>(piece), left))
    });
    response(reply, Some(length), Body::from_stream(pieces))
}

/// The answer; `length` is what it says of a body that comes in pieces.
fn response(reply: Reply, length: Option<usize>, body: Body) -> Response {
    let mut builder = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        builder = builder.header(name, value);
    }
    if let Some(length) = length {
        builder = builder.header("content-length", length);
    }
    // Only a header of ours could be wrong.
    builder.body(body).unwrap_or_default()
}
