//! What is said of names that templates use and nobody knows.

use crate::document::{Diagnostic, Span};
use crate::template::Unknown;

pub(super) fn unknown_function(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        "unknown-variable",
        format!("there is no function `{name}`"),
        span,
    )
    .suggest(name, ["debug", "dict", "namespace", "range"], "function")
    .help("most are filters: `{{ value | length }}`")
}

pub(super) fn unknown_variable(unknown: Unknown, span: Span) -> Diagnostic {
    let Unknown {
        path,
        known,
        nearest,
    } = unknown;
    let diagnostic = Diagnostic::error(
        "unknown-variable",
        format!("`{path}` doesn't exist here"),
        span,
    );
    if path == "item" {
        return diagnostic
            .label("only tasks with `foreach` have items")
            .help("add `foreach:` to the task; in `foreach:` itself there is no item yet");
    }
    if path == "run.firing" {
        return diagnostic
            .label("nothing outside starts this DAG")
            .help("only what a `trigger:` starts has something that it was started for");
    }
    if let Some(near) = nearest {
        return diagnostic.label(format!("did you mean `{near}`?"));
    }
    let parent = path.rsplit_once('.').map(|(parent, _)| parent);
    match parent {
        Some("env") => {
            let name = path.rsplit('.').next().unwrap_or_default();
            return diagnostic.label("not declared").help(format!(
                "declare it in the pipeline or the task: `env: {name}`"
            ));
        }
        Some("params") if known.is_empty() => {
            return diagnostic
                .label("the pipeline has no parameters")
                .help("add it under `params:`");
        }
        _ => {}
    }
    let names: Vec<String> = known
        .iter()
        .map(|name| match parent {
            Some(parent) => format!("`{parent}.{name}`"),
            None => format!("`{name}`"),
        })
        .collect();
    diagnostic.help(format!("known here: {}", names.join(", ")))
}
