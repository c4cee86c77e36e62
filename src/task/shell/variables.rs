//! The environment of a script.

use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use super::survivors::{MARK, mark_value};
use crate::task::{AttemptContext, TaskFailure};
use crate::template::{Scope, Template};

/// The variables every script gets, which `env` can't set. The parameters aren't among them:
/// `env` names what a script uses, and the check sees it.
pub(super) const STANDARD: &[&str] = &[
    "RUNNER_RUN_ID",
    "RUNNER_DAG",
    "RUNNER_TASK",
    "RUNNER_ITEM",
    "RUNNER_ATTEMPT",
    MARK,
    "RUNNER_IDEMPOTENCY_KEY",
    "RUNNER_OUTPUTS",
    "RUNNER_DATA_INTERVAL_START",
    "RUNNER_DATA_INTERVAL_END",
];

/// A larger item isn't passed: Linux takes no variable longer than 128 KiB.
const LONGEST_ITEM: usize = 100 * 1024;

/// Sets the variables of a script; those of this process stay beneath them.
pub(super) fn set(
    command: &mut Command,
    attempt: &AttemptContext,
    mark: &str,
    outputs: &Path,
    env: &[(String, Template)],
) -> Result<(), TaskFailure> {
    let scope = &attempt.scope;
    command
        .env("RUNNER_RUN_ID", attempt.id.run.as_str())
        .env("RUNNER_DAG", attempt.dag.as_str())
        .env("RUNNER_TASK", attempt.task.as_str())
        .env("RUNNER_ATTEMPT", attempt.id.number.to_string())
        .env("RUNNER_IDEMPOTENCY_KEY", attempt.idempotency_key())
        .env("RUNNER_OUTPUTS", outputs)
        .env(MARK, mark_value(mark));
    // Without one, what this process itself was given goes on.
    if let Some(traceparent) = &attempt.traceparent {
        command.env("TRACEPARENT", traceparent);
    }
    let item = attempt
        .id
        .task_run
        .item
        .and_then(|_| look_up("item", scope));
    let item = item.map(|item| item.to_string());
    if item.as_ref().is_some_and(|item| item.len() > LONGEST_ITEM) {
        attempt
            .log
            .warn("the item is too large for a variable: `RUNNER_ITEM` isn't set");
    }
    let text = |path| look_up(path, scope).map(|value| to_text(&value));
    for (name, value) in [
        (
            "RUNNER_ITEM",
            item.filter(|item| item.len() <= LONGEST_ITEM),
        ),
        (
            "RUNNER_DATA_INTERVAL_START",
            text("run.data_interval.start"),
        ),
        ("RUNNER_DATA_INTERVAL_END", text("run.data_interval.end")),
    ] {
        match value {
            Some(value) => command.env(name, value),
            // One of a runner around this one.
            None => command.env_remove(name),
        };
    }
    for (name, template) in env {
        let value = render(template, scope)
            .map_err(|error| TaskFailure::permanent(format!("variable `{name}`: {error}")))?;
        command.env(name, value);
    }
    Ok(())
}

/// A template's value as a text: lists and maps as JSON, nothing as an empty text. A NUL character
/// ends every text of a process, so that none can hold one.
pub(super) fn render(template: &Template, scope: &Scope) -> Result<String, String> {
    let value = template.evaluate(scope).map_err(|error| error.message)?;
    let text = to_text(&value);
    if text.contains('\0') {
        return Err("its value holds a NUL character, which no program can be given".to_owned());
    }
    Ok(text)
}

fn look_up(path: &str, scope: &Scope) -> Option<Json> {
    Template::expression(path).ok()?.evaluate(scope).ok()
}

fn to_text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
