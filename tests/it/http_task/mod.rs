//! The task `http` and the ends of `copy` that speak HTTP.

mod answers;
mod bodies;
mod check;
mod copy;
mod pages;
mod streams;
mod ticks;

use runner::model::{ConnectionId, FailureKind};
use runner::task::{KINDS, TaskKind, TaskOutput};
use serde_json::{Value as Json, json};

use crate::support::attempt::Attempt;
use crate::support::connections::{connection, places};
use crate::support::fault_server::{Act, FaultServer, Received, reply};

/// A kind of task.
fn kind(name: &str) -> &'static TaskKind {
    KINDS.iter().find(|kind| kind.name == name).unwrap()
}

/// An attempt with a connection `api` to a server.
fn attempt(server: &FaultServer) -> Attempt {
    let mut attempt = Attempt::new();
    let yaml = format!("http: {{ base_url: \"{}/v1\", tries: 1 }}", server.url());
    let api = connection("api", &yaml, &places(attempt.folder()));
    let name = ConnectionId::new("api").unwrap();
    attempt.connections.insert(name, api);
    attempt
}

/// An answer of JSON.
fn answer(body: &Json) -> Vec<Act> {
    text_answer(&body.to_string())
}

fn text_answer(body: &str) -> Vec<Act> {
    let headers = [("Content-Type", "application/json"), ("ETag", "\"v1\"")];
    reply(200, &headers, body.as_bytes())
}

/// Adds keys to those of a request.
fn with(mut request: Json, more: &Json) -> Json {
    let keys = request.as_object_mut().unwrap();
    for (key, value) in more.as_object().unwrap() {
        keys.insert(key.clone(), value.clone());
    }
    request
}

/// Runs a task that succeeds, and gives the records it left.
async fn records(attempt: &Attempt, http: &Json) -> (Vec<Json>, TaskOutput) {
    let output = attempt.run(kind("http"), http).await.unwrap();
    (left(attempt, &output), output)
}

/// The records of a dataset.
fn left(attempt: &Attempt, output: &TaskOutput) -> Vec<Json> {
    let Some(dataset) = &output.dataset else {
        return Vec::new();
    };
    let path = attempt.folder().join(".runner").join(&dataset.path);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Why a task fails, with the port left out, and whether it may be tried again.
async fn failure(attempt: &Attempt, http: &Json) -> (String, bool) {
    let failure = attempt.run(kind("http"), http).await.unwrap_err();
    let retryable = failure.cause.kind == FailureKind::Retryable;
    (without_port(&failure.cause.message), retryable)
}

fn without_port(message: &str) -> String {
    let mut parts = message.split("127.0.0.1:");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str("host");
        text.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    text
}

/// The value of a name in a request's query.
fn asked<'a>(request: &'a Received, name: &str) -> Option<&'a str> {
    let (_, query) = request.target.split_once('?')?;
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// `{"id": n}` of each number.
fn ids(numbers: impl IntoIterator<Item = u64>) -> Vec<Json> {
    numbers.into_iter().map(|id| json!({ "id": id })).collect()
}
