//! The task that runs scripts: what it says, prints, leaves behind, and how it ends.
#![expect(clippy::unwrap_used, reason = "what goes wrong here fails its test")]

mod mistakes;
mod output;
mod results;
mod survival;

use std::time::Duration;

use runner::model::FailureKind;
use runner::task::{KINDS, TaskKind, TaskResult};
use serde_json::Value as Json;
use tokio::time::timeout;

use crate::support::attempt::Attempt;

/// Nothing here takes longer unless it hangs.
const LIMIT: Duration = Duration::from_mins(1);

fn kind() -> &'static TaskKind {
    KINDS.iter().find(|kind| kind.name == "shell").unwrap()
}

async fn run(attempt: &Attempt, value: &Json) -> TaskResult {
    timeout(LIMIT, attempt.run(kind(), value))
        .await
        .expect("a script that should end hangs")
}

#[track_caller]
fn assert_failure(result: TaskResult, kind: FailureKind, message: &str) {
    let cause = result.unwrap_err().cause;
    assert_eq!((cause.kind, &*cause.message), (kind, message));
}
