//! How the answers are shown.

use std::io::Write;

use serde_json::{Value as Json, json};

use super::{Asked, Line};
use crate::cli::table::{self, Cell, Column};
use crate::cli::{as_json, find, look, output};
use crate::daemon::schedule::DaemonLock;
use crate::model::TaskState;

impl Asked<'_> {
    pub(super) fn print(
        &self,
        out: &mut dyn Write,
        lines: &[Line],
        one: bool,
    ) -> anyhow::Result<()> {
        let bold = look::BOLD;
        let (word, style) = find::state_word(self.row.state, self.interrupted);
        let (dag, id) = (&self.row.dag, &self.row.id);
        writeln!(out, "{bold}{dag}{bold:#}  run {id}  {style}{word}{style:#}")?;
        for line in self.head() {
            writeln!(out, "  {line}")?;
        }
        if let ([line], true) = (lines, one) {
            let (sign, style) = sign(&line.state);
            let name = self.name(line.id.task);
            writeln!(out, "{style}{sign}{style:#} {bold}{name}{bold:#}")?;
            for text in output::wrapped(&line.reason, 2) {
                writeln!(out, "{text}")?;
            }
            return Ok(());
        }
        if lines.is_empty() && self.row.state.is_finished() {
            writeln!(out, "  every task that was to run has succeeded")?;
        }
        let rows: Vec<Vec<Cell>> = lines
            .iter()
            .map(|line| {
                let (sign, style) = sign(&line.state);
                let name = match line.id.item {
                    Some(item) => format!("  [{item}]"),
                    None => self.name(line.id.task).to_owned(),
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

    pub(super) fn json(&self, lines: &[Line]) -> Json {
        let tasks = lines.iter().map(|line| {
            json!({
                "task": self.name(line.id.task),
                "item": line.id.item,
                "state": as_json::task_state(&line.state),
                "reason": line.reason,
            })
        });
        json!({
            "run": self.row.id.as_str(),
            "dag": self.row.dag.as_str(),
            "state": self.row.state.as_str(),
            "interrupted": self.interrupted,
            "process": self.row.owner.0,
            "daemon": DaemonLock::holder(&self.context.places.state).map(|owner| owner.0),
            "notes": self.head(),
            "tasks": tasks.collect::<Vec<_>>(),
        })
    }
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
