//! Why the tasks of a run don't run, or how they ended: printed.

use std::io::Write as _;

use super::arguments::{Format, Why};
use super::context::Context;
use super::table::{self, Cell, Column};
use super::{exit, find, look, output};
use crate::daemon::clock::now;
use crate::model::TaskState;
use crate::operate::why_run::{Asked, Line};
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
    let mut out = output::stdout();
    let lines = match task {
        Some(task) => asked.lines_of(task),
        None => asked.lines(),
    };
    if command.format == Format::Json {
        writeln!(out, "{:#}", asked.json(&lines))?;
    } else {
        print(&asked, &mut out, &lines, task.is_some())?;
    }
    out.flush()?;
    Ok(exit::OK)
}

fn print(
    asked: &Asked,
    out: &mut dyn std::io::Write,
    lines: &[Line],
    one: bool,
) -> anyhow::Result<()> {
    let bold = look::BOLD;
    let (word, style) = find::state_word(asked.row.state, asked.interrupted);
    let (dag, id) = (&asked.row.dag, &asked.row.id);
    writeln!(out, "{bold}{dag}{bold:#}  run {id}  {style}{word}{style:#}")?;
    for line in asked.head() {
        writeln!(out, "  {line}")?;
    }
    if let ([line], true) = (lines, one) {
        let (sign, style) = sign(&line.state);
        let name = asked.name(line.id.task);
        writeln!(out, "{style}{sign}{style:#} {bold}{name}{bold:#}")?;
        for text in output::wrapped(&line.reason, 2) {
            writeln!(out, "{text}")?;
        }
        return Ok(());
    }
    if lines.is_empty() && asked.row.state.is_finished() {
        writeln!(out, "  every task that was to run has succeeded")?;
    }
    let rows: Vec<Vec<Cell>> = lines
        .iter()
        .map(|line| {
            let (sign, style) = sign(&line.state);
            let name = match line.id.item {
                Some(item) => format!("  [{item}]"),
                None => asked.name(line.id.task).to_owned(),
            };
            vec![
                Cell::styled(sign, style),
                Cell::plain(name),
                Cell::plain(line.reason.clone()),
            ]
        })
        .collect();
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

fn sign(state: &TaskState) -> (&'static str, anstyle::Style) {
    match state {
        TaskState::Finished { outcome, .. } => {
            let (sign, _, style) = look::outcome(outcome);
            (sign, style)
        }
        TaskState::Running { .. } | TaskState::Expanded { .. } => ("▸", look::BUSY),
        TaskState::RetryWait { .. } => ("↻", look::WARN),
        TaskState::Waiting | TaskState::Ready => ("·", look::FAINT),
    }
}
