//! What is at work, drawn again and again below what has ended.

use std::io::Write;
use std::time::Duration;

use super::View;
use crate::cli::look;
use crate::document::units::format_duration;
use crate::model::Timestamp;
use crate::operate::words::moved;

/// Tasks shown at work at a time; the others are counted.
const SHOWN: usize = 12;

/// Items of a group are shown one by one when it has at most so many.
const SHOWN_ITEMS: u32 = 8;

const SPINNER: [&str; 8] = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠧", "⠇", "⠏"];

impl<W: Write> View<W> {
    /// Draws the live part again.
    pub fn draw(&mut self, now: Timestamp) -> std::io::Result<()> {
        if !self.live || self.state.is_finished() {
            return Ok(());
        }
        self.frame += 1;
        let mut lines = self.live_lines(now);
        let terminal = terminal_size::terminal_size();
        let columns = terminal
            .map_or(80, |(width, _)| usize::from(width.0))
            .max(20);
        let rows = terminal
            .map_or(24, |(_, height)| usize::from(height.0))
            .max(4);
        lines.truncate(rows - 2);
        self.clear()?;
        for line in &lines {
            let cut = look::fit(line, columns - 1);
            let busy = look::BUSY;
            writeln!(self.out, "{busy}{}{busy:#}", cut.trim_end())?;
        }
        self.drawn = lines.len();
        self.out.flush()
    }

    fn live_lines(&self, now: Timestamp) -> Vec<String> {
        let spinner = SPINNER[self.frame % SPINNER.len()];
        let mut lines = Vec::new();
        for (task, group) in &self.groups {
            if group.ended < group.items {
                let name = look::fit(self.task(*task), self.width);
                lines.push(format!(
                    "  {spinner} {name}  {:>7}  {} of {} items",
                    "",
                    look::count(u64::from(group.ended)),
                    look::count(u64::from(group.items)),
                ));
            }
        }
        for (id, working) in &self.working {
            // The line of a large group says enough.
            let group = self.groups.get(&id.task).filter(|_| id.item.is_some());
            if group.is_some_and(|group| group.items > SHOWN_ITEMS) {
                continue;
            }
            let name = look::fit(&self.name(*id), self.width);
            let since = (now - working.since).to_std().unwrap_or_default();
            let took = format_duration(Duration::from_millis(
                u64::try_from(since.as_millis() / 100 * 100).unwrap_or(0),
            ));
            let mut facts = Vec::new();
            if working.number > 1 {
                facts.push(format!("attempt {}", working.number));
            }
            if let Some(progress) = &working.progress {
                let (rows, bytes, total) = progress.get();
                if let Some(total) = total.filter(|total| bytes <= *total) {
                    facts.push(format!("{} %", bytes * 100 / total));
                }
                facts.extend(moved(rows, bytes, since));
            }
            lines.push(format!(
                "  {spinner} {name}  {took:>7}  {}",
                facts.join("  ")
            ));
        }
        for (id, until) in &self.waiting {
            let name = look::fit(&self.name(*id), self.width);
            let wait = (*until - now).to_std().unwrap_or_default().as_secs();
            lines.push(format!("  ↻ {name}  next attempt in {wait}s"));
        }
        if lines.len() > SHOWN {
            let more = lines.len() - SHOWN;
            lines.truncate(SHOWN);
            lines.push(format!("    and {more} more"));
        }
        lines
    }
}
