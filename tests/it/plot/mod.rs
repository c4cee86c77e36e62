//! The task kind `plot`.

mod mistakes;
mod pictures;
mod pixels;

use runner::task::{KINDS, TaskKind, TaskOutput};
use serde_json::Value as Json;

use crate::support::attempt::Attempt;

/// The kind under test.
fn kind() -> &'static TaskKind {
    KINDS.iter().find(|kind| kind.name == "plot").unwrap()
}

/// Runs a plot that must succeed.
async fn draw(attempt: &Attempt, plot: &Json) -> TaskOutput {
    attempt.run(kind(), plot).await.unwrap()
}

/// A file of the project.
fn read(attempt: &Attempt, path: &str) -> Vec<u8> {
    std::fs::read(attempt.folder().join(path)).unwrap()
}

/// An SVG without the outlines of its letters, which say nothing to people.
fn svg(attempt: &Attempt, path: &str) -> String {
    let text = String::from_utf8(read(attempt, path)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("<path id="));
    lines
        .map(|line| match line.split_once("<use ") {
            Some((before, _)) => format!("{before}…</g>\n"),
            None => format!("{line}\n"),
        })
        .filter(|line| line != "</g>\n")
        .collect()
}
