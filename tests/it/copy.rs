//! Copies between files, datasets and databases.

mod buckets;
mod check;
mod postgres;
mod script;
mod sqlite;

use runner::connection::Session;
use runner::task::{KINDS, TaskKind, TaskResult};
use serde_json::Value as Json;

use crate::support::attempt::Attempt;
use crate::support::connections::{rows, statement};

/// The kind under test.
pub(crate) fn kind() -> &'static TaskKind {
    KINDS.iter().find(|kind| kind.name == "copy").unwrap()
}

/// Runs a copy, and gives what it left as text.
async fn run(attempt: &Attempt, copy: &Json) -> TaskResult {
    attempt.run(kind(), copy).await
}

/// The message of a copy that must fail.
async fn failure(attempt: &Attempt, copy: &Json) -> String {
    run(attempt, copy)
        .await
        .unwrap_err()
        .cause
        .message
        .to_string()
}

/// Executes statements.
async fn execute(session: &mut dyn Session, statements: &[&str]) {
    for text in statements {
        session.execute(&statement(text, &[])).await.unwrap();
    }
}

/// All rows of a query, cells joined by `|`, a NULL as `∅`.
async fn all(session: &mut dyn Session, query: &str) -> Vec<String> {
    rows(session, query, &[]).await.unwrap()
}

/// A file of the project.
fn read(attempt: &Attempt, path: &str) -> String {
    std::fs::read_to_string(attempt.folder().join(path)).unwrap()
}
