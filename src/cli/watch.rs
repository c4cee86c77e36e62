//! A run that somebody watches: its first line, what shows it, and the exit code of its end.

use std::io::{Stdout, Write};

use anstream::AutoStream;
use serde_json::Value as Json;
use tokio::sync::mpsc::UnboundedReceiver;

use super::attend::attend;
use super::context::Context;
use super::live::View;
use super::output::Lenient;
use super::{exit, look};
use crate::daemon::{Host, News};
use crate::model::{DagId, Json as JsonText, RunId, RunSpec, RunState};
use crate::spec::Pipeline;

/// What shows a run on standard output.
pub type Shown = View<Lenient<AutoStream<Stdout>>>;

/// Begins to show a run, with its first line.
pub fn show(pipeline: &Pipeline, spec: &RunSpec, quiet: bool) -> std::io::Result<Shown> {
    let tasks = pipeline.version.tasks.clone();
    show_of((&pipeline.id, &spec.id, &spec.params), tasks, quiet)
}

/// The same, of a run that somebody else knows: its DAG, its id and its parameters; the names of
/// its tasks by their index.
pub fn show_of(
    (dag, run, params): (&DagId, &RunId, &JsonText),
    tasks: Vec<String>,
    quiet: bool,
) -> std::io::Result<Shown> {
    let out = Lenient::new(anstream::stdout());
    let mut view = View::new(out, Context::is_terminal(), quiet, run, tasks);
    view.head(&head_of(dag, run, params))?;
    Ok(view)
}

/// Works until all runs have ended, showing one of them. ^C cancels, a second one kills.
pub async fn watch<W: Write>(
    host: Host,
    mut view: View<W>,
    mut heard: UnboundedReceiver<News>,
) -> anyhow::Result<RunState> {
    attend(host, &mut heard, &mut view).await?;
    view.end()?;
    Ok(view.state())
}

/// The exit code of a command whose run ended so.
pub fn exit_code(state: RunState) -> u8 {
    match state {
        RunState::Success => exit::OK,
        RunState::Cancelled => exit::INTERRUPTED,
        _ => exit::FAILED,
    }
}

/// The first line of a run.
pub fn head(pipeline: &Pipeline, spec: &RunSpec) -> String {
    head_of(&pipeline.id, &spec.id, &spec.params)
}

/// The same, of a run that somebody else knows.
pub fn head_of(dag: &DagId, run: &RunId, params: &JsonText) -> String {
    let (bold, faint) = (look::BOLD, look::FAINT);
    let mut text = format!("{bold}{dag}{bold:#}  run {run}");
    let params = params_text(params);
    if !params.is_empty() {
        text.push_str(&format!("  {faint}{params}{faint:#}"));
    }
    text
}

/// Parameters as `key=value key=value`.
pub fn params_text(params: &JsonText) -> String {
    let Ok(Json::Object(params)) = serde_json::from_str(&params.0) else {
        return String::new();
    };
    let words: Vec<String> = params
        .iter()
        .filter(|(_, value)| !value.is_null() && *value != "")
        .map(|(key, value)| match value {
            Json::String(text) => format!("{key}={text}"),
            other => format!("{key}={other}"),
        })
        .collect();
    words.join(" ")
}
