//! The task kind `notify` and the connections that carry messages.

mod by_itself;
mod hooks;
mod mail;
mod mistakes;
mod webhook;

pub(crate) use webhook::Server;

use runner::model::ConnectionId;
use runner::task::{KINDS, TaskKind};

use crate::support::attempt::Attempt;
use crate::support::connections::{connection, places};

/// The kind under test.
fn kind() -> &'static TaskKind {
    KINDS.iter().find(|kind| kind.name == "notify").unwrap()
}

/// An attempt with one connection, which is read from YAML.
fn attempt(name: &str, yaml: &str) -> Attempt {
    let mut attempt = Attempt::new();
    let places = places(attempt.folder());
    let made = connection(name, yaml, &places);
    attempt.secrets.extend(made.secrets());
    let id = ConnectionId::new(name).unwrap();
    attempt.connections.insert(id, made);
    attempt
}
