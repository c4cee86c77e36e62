//! What stays to be read when a run has ended: what it came to, and what failed.

use std::io::Write;

use super::View;
use crate::cli::look;
use crate::document::units::format_duration;
use crate::model::RunState;

impl<W: Write> View<W> {
    /// Prints how the run ended.
    pub fn end(&mut self) -> std::io::Result<()> {
        self.clear()?;
        let style = look::run_state(self.state);
        let took = match (self.started, self.ended) {
            (Some(started), Some(ended)) => {
                let took = (ended - started).to_std().unwrap_or_default();
                format!(" in {}", format_duration(took))
            }
            _ => String::new(),
        };
        let counts = self.counts.text();
        writeln!(
            self.out,
            "{style}{}{style:#}{took}{}{counts}",
            self.state,
            if counts.is_empty() { "" } else { ": " }
        )?;
        let shown = self.failures.len().min(5);
        for (id, attempts, cause) in &self.failures[..shown] {
            // A group's failure repeats that of its first item.
            if id.item.is_none() && self.groups.contains_key(&id.task) {
                continue;
            }
            let name = self.name(*id);
            let (bad, faint) = (look::BAD, look::FAINT);
            let tries = if *attempts > 1 {
                format!(" after {attempts} attempts")
            } else {
                String::new()
            };
            writeln!(self.out, "\n{bad}{name}{bad:#} failed{tries}:")?;
            for line in cause.message.lines() {
                writeln!(self.out, "  {line}")?;
            }
            let item = id
                .item
                .map_or_else(String::new, |item| format!(" --item {item}"));
            let task = self.task(id.task).to_owned();
            writeln!(
                self.out,
                "{faint}  its log: runner logs {} {task}{item}{faint:#}",
                self.run
            )?;
        }
        if self.failures.len() > shown {
            let more = self.failures.len() - shown;
            writeln!(self.out, "\nand {more} more: runner show {}", self.run)?;
        }
        if self.state == RunState::Failed {
            let faint = look::FAINT;
            writeln!(
                self.out,
                "{faint}  try again what failed: runner retry {}{faint:#}",
                self.run
            )?;
        }
        self.out.flush()
    }
}

/// How many tasks have ended how.
#[derive(Default)]
pub struct Counts {
    pub success: usize,
    pub failed: usize,
    pub skipped: usize,
    pub upstream_failed: usize,
    pub cancelled: usize,
}

impl Counts {
    fn text(&self) -> String {
        let parts = [
            (self.success, "succeeded"),
            (self.failed, "failed"),
            (self.upstream_failed, "not run"),
            (self.skipped, "skipped"),
            (self.cancelled, "cancelled"),
        ];
        let total: usize = parts.iter().map(|(count, _)| count).sum();
        if total == self.success {
            let noun = if total == 1 { "task" } else { "tasks" };
            return format!("{total} {noun}");
        }
        let words: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        words.join(", ")
    }
}
