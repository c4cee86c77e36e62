//! Why the tasks of a run don't run, or how they ended: printed.

use std::io::Write as _;

use serde::Deserialize;
use serde_json::Value as Json;

use super::arguments::{Format, Why};
use super::context::Context;
use super::table::{self, Cell, Column};
use super::{exit, find, look, output};
use crate::daemon::clock::now;
use crate::model::RunState;
use crate::operate::shape;
use crate::operate::why_run::Asked;
use crate::spec::Project;
use crate::store::{RunRow, RunStore};

/// Answers about a run, or one task of it.
pub async fn why(
    context: &Context,
    project: &Project,
    store: &dyn RunStore,
    row: &RunRow,
    command: &Why,
) -> anyhow::Result<u8> {
    let state = &context.places.state;
    let (row, interrupted) = find::look_at(state, store, row.clone()).await?;
    let version = find::version(store, &row).await?;
    let task = match &command.task {
        Some(name) => Some(find::task(&version, name)?),
        None => None,
    };
    let asked = Asked::read(project, store, (row, interrupted), now()).await?;
    let lines = match task {
        Some(task) => asked.lines_of(task),
        None => asked.lines(),
    };
    let shown = Shown {
        dag: asked.row.dag.to_string(),
        run: asked.row.id.to_string(),
        state: asked.row.state,
        interrupted: asked.interrupted,
        notes: asked.head(),
        tasks: lines
            .iter()
            .map(|line| Line {
                task: asked.name(line.id.task).to_owned(),
                item: line.id.item,
                state: shape::task_state(&line.state).to_owned(),
                reason: line.reason.clone(),
            })
            .collect(),
    };
    shown.print(&asked.json(&lines), command)
}

/// What is told of a run's tasks.
#[derive(Debug, Deserialize)]
pub struct Shown {
    dag: String,
    run: String,
    state: RunState,
    interrupted: bool,
    notes: Vec<String>,
    tasks: Vec<Line>,
}

/// A task, or an item of it, and its reason.
#[derive(Debug, Deserialize)]
struct Line {
    task: String,
    item: Option<u32>,
    state: String,
    reason: String,
}

impl Shown {
    /// Prints it, or all that is known as JSON.
    pub fn print(&self, json: &Json, command: &Why) -> anyhow::Result<u8> {
        let mut out = output::stdout();
        if command.format == Format::Json {
            writeln!(out, "{json:#}")?;
        } else {
            self.lines(&mut out, command.task.is_some())?;
        }
        out.flush()?;
        Ok(exit::OK)
    }

    fn lines(&self, out: &mut dyn std::io::Write, one: bool) -> anyhow::Result<()> {
        let bold = look::BOLD;
        let (word, style) = find::state_word(self.state, self.interrupted);
        let (dag, id) = (&self.dag, &self.run);
        writeln!(out, "{bold}{dag}{bold:#}  run {id}  {style}{word}{style:#}")?;
        for line in &self.notes {
            writeln!(out, "  {line}")?;
        }
        if let ([line], true) = (self.tasks.as_slice(), one) {
            let (sign, style) = sign(&line.state);
            let name = &line.task;
            writeln!(out, "{style}{sign}{style:#} {bold}{name}{bold:#}")?;
            for text in output::wrapped(&line.reason, 2) {
                writeln!(out, "{text}")?;
            }
            return Ok(());
        }
        if self.tasks.is_empty() && self.state.is_finished() {
            writeln!(out, "  every task that was to run has succeeded")?;
        }
        let rows = self.tasks.iter().map(|line| {
            let (sign, style) = sign(&line.state);
            let name = match line.item {
                Some(item) => format!("  [{item}]"),
                None => line.task.clone(),
            };
            vec![
                Cell::styled(sign, style),
                Cell::plain(name),
                Cell::plain(line.reason.clone()),
            ]
        });
        let rows: Vec<Vec<Cell>> = rows.collect();
        if !rows.is_empty() {
            writeln!(out)?;
            let columns = [
                Column::left(""),
                Column::left("task"),
                Column::left("why").shrinking(),
            ];
            table::print(out, &columns, &rows, output::columns())?;
        }
        Ok(())
    }
}

/// The sign and the colour of a task's state.
fn sign(state: &str) -> (&'static str, anstyle::Style) {
    match state {
        "success" => ("✓", look::GOOD),
        "failed" => ("✗", look::BAD),
        "skipped" => ("○", look::FAINT),
        "upstream_failed" => ("○", look::WARN),
        "cancelled" => ("■", look::WARN),
        "running" => ("▸", look::BUSY),
        "retry_wait" => ("↻", look::WARN),
        _ => ("·", look::FAINT),
    }
}
