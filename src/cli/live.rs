//! A run as it happens: on a terminal with a live part below what has ended, otherwise plain lines.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::daemon::News;
use crate::daemon::clock::now;
use crate::document::units::format_duration;
use crate::model::{
    AttemptOutcome, FailureCause, Outcome, RunId, RunState, TaskIndex, TaskRunId, TaskState,
    Timestamp, Transition,
};
use crate::operate::words::moved;
use crate::task::{Metrics, Progress};

use super::attend::Show;
use super::look;

/// Tasks shown at work at a time; the others are counted.
const SHOWN: usize = 12;
/// Items of a group are shown one by one when it has at most so many.
const SHOWN_ITEMS: u32 = 8;
/// The longest column of names.
const NAME_WIDTH: usize = 32;
const SPINNER: [&str; 8] = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// What is known of a run, and how it is shown.
pub struct View<W: Write> {
    out: W,
    /// Whether the part below is redrawn in place.
    live: bool,
    quiet: bool,
    run: RunId,
    /// Its tasks by their index.
    names: Vec<String>,
    width: usize,
    /// Attempts at work.
    working: BTreeMap<TaskRunId, Working>,
    /// Items that have ended, of each group, and how many there are.
    groups: BTreeMap<TaskIndex, Group>,
    waiting: BTreeMap<TaskRunId, Timestamp>,
    failures: Vec<(TaskRunId, u32, FailureCause)>,
    counts: Counts,
    state: RunState,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    drawn: usize,
    frame: usize,
}

struct Working {
    since: Timestamp,
    number: u32,
    progress: Option<Arc<Progress>>,
}

#[derive(Default)]
struct Group {
    items: u32,
    ended: u32,
    rows: u64,
    bytes: u64,
    started: Option<Timestamp>,
}

#[derive(Default)]
struct Counts {
    success: usize,
    failed: usize,
    skipped: usize,
    upstream_failed: usize,
    cancelled: usize,
}

impl<W: Write> Show for View<W> {
    fn news(&mut self, news: News) -> std::io::Result<()> {
        self.take(news)
    }

    fn frame(&mut self) -> std::io::Result<()> {
        self.draw(now())
    }
}

impl<W: Write> View<W> {
    /// A view of one run; `names` of its tasks by their index.
    pub fn new(out: W, live: bool, quiet: bool, run: &RunId, names: Vec<String>) -> Self {
        let width = names.iter().map(String::len).max().unwrap_or(0);
        Self {
            out,
            live: live && !quiet,
            quiet,
            run: run.clone(),
            names,
            width: width.min(NAME_WIDTH),
            working: BTreeMap::new(),
            groups: BTreeMap::new(),
            waiting: BTreeMap::new(),
            failures: Vec::new(),
            counts: Counts::default(),
            state: RunState::Queued,
            started: None,
            ended: None,
            drawn: 0,
            frame: 0,
        }
    }

    /// How the run stands.
    pub fn state(&self) -> RunState {
        self.state
    }

    /// Takes in what happened.
    pub fn take(&mut self, news: News) -> std::io::Result<()> {
        match news {
            News::Started { attempt, progress } if attempt.run == self.run => {
                if let Some(working) = self.working.get_mut(&attempt.task_run) {
                    working.progress = Some(progress);
                }
            }
            News::Changed(transition) if *transition.run() == self.run => {
                self.changed(transition)?;
            }
            News::Store(Some(message)) => {
                let warn = look::WARN;
                self.line(&format!("{warn}waiting{warn:#}: {message}"))?;
            }
            News::Store(None) => self.line("the run state can be written again")?,
            _ => {}
        }
        Ok(())
    }

    fn changed(&mut self, transition: Transition) -> std::io::Result<()> {
        match transition {
            Transition::Run { state, at, .. } => {
                self.state = state;
                if state == RunState::Running && self.started.is_none() {
                    self.started = Some(at);
                }
                if state.is_finished() {
                    self.ended = Some(at);
                }
                Ok(())
            }
            Transition::Expanded {
                task, items, at, ..
            } => {
                let group = Group {
                    items: u32::try_from(items.len()).unwrap_or(u32::MAX),
                    started: Some(at),
                    ..Group::default()
                };
                self.groups.insert(task, group);
                Ok(())
            }
            Transition::Task {
                task_run,
                attempts,
                state,
                ended,
                at,
                ..
            } => {
                self.waiting.remove(&task_run);
                let working = self.working.remove(&task_run);
                let since = working.map_or(at, |working| working.since);
                let result = ended.as_ref().map(|ended| &ended.result);
                match state {
                    TaskState::Running { started, .. } => {
                        self.started.get_or_insert(started);
                        self.working.insert(
                            task_run,
                            Working {
                                since: started,
                                number: attempts,
                                progress: None,
                            },
                        );
                        Ok(())
                    }
                    TaskState::RetryWait { until } => {
                        self.waiting.insert(task_run, until);
                        let cause = result.and_then(|result| match &result.outcome {
                            AttemptOutcome::Failed { cause, .. } => Some(cause.clone()),
                            _ => None,
                        });
                        self.retrying(task_run, attempts, cause.as_ref(), until - at)
                    }
                    TaskState::Finished { outcome, at } => {
                        let metrics: Metrics = result
                            .and_then(|result| result.metrics.as_ref())
                            .and_then(|metrics| serde_json::from_str(&metrics.0).ok())
                            .unwrap_or_default();
                        self.finished(task_run, attempts, outcome, &metrics, (since, at))
                    }
                    TaskState::Waiting | TaskState::Expanded { .. } | TaskState::Ready => Ok(()),
                }
            }
        }
    }

    fn retrying(
        &mut self,
        id: TaskRunId,
        attempt: u32,
        cause: Option<&FailureCause>,
        wait: chrono::TimeDelta,
    ) -> std::io::Result<()> {
        let reason = cause.map_or("lost", |cause| first_line(&cause.message));
        let wait = format_duration(wait.to_std().unwrap_or_default());
        let (warn, name) = (look::WARN, look::fit(&self.name(id), self.width));
        self.line(&format!(
            "  {warn}↻{warn:#} {name}  attempt {attempt} failed, the next in {wait}: {reason}"
        ))
    }

    fn finished(
        &mut self,
        id: TaskRunId,
        attempts: u32,
        outcome: Outcome,
        metrics: &Metrics,
        (since, at): (Timestamp, Timestamp),
    ) -> std::io::Result<()> {
        let took = at - since;
        if id.item.is_some() {
            // A run that goes on may have been expanded before anybody looked.
            self.groups.entry(id.task).or_default();
        }
        if let Some(group) = self.groups.get_mut(&id.task) {
            if id.item.is_some() {
                group.ended += 1;
                group.rows += metrics.rows.unwrap_or(0);
                group.bytes += metrics.bytes.unwrap_or(0);
                if let Outcome::Failed(cause) = outcome {
                    self.failures.push((id, attempts, cause.clone()));
                    let (bad, name) = (look::BAD, look::fit(&self.name(id), self.width));
                    let reason = first_line(&cause.message);
                    return self.line(&format!("  {bad}✗{bad:#} {name}  {reason}"));
                }
                return Ok(());
            }
            let group = &self.groups[&id.task];
            let took = group.started.map_or(took, |started| at - started);
            let mut facts = Vec::new();
            if group.items > 0 {
                facts.push(format!("{} items", look::count(u64::from(group.items))));
            }
            facts.extend(moved(group.rows, group.bytes, Duration::ZERO));
            return self.ended_line(id, &outcome, took, &facts.join("  "));
        }
        let mut facts = Vec::new();
        if attempts > 1 {
            facts.push(format!("attempt {attempts}"));
        }
        facts.extend(moved(
            metrics.rows.unwrap_or(0),
            metrics.bytes.unwrap_or(0),
            took.to_std().unwrap_or_default(),
        ));
        facts.extend(metrics.summary.clone());
        match metrics.made.as_slice() {
            [] => {}
            [one] => facts.push(format!("→ {one}")),
            [first, rest @ ..] => facts.push(format!("→ {first} and {} more", rest.len())),
        }
        if let Outcome::Failed(cause) = &outcome {
            facts = vec![first_line(&cause.message).to_owned()];
            self.failures.push((id, attempts, cause.clone()));
        }
        self.ended_line(id, &outcome, took, &facts.join("  "))
    }

    fn ended_line(
        &mut self,
        id: TaskRunId,
        outcome: &Outcome,
        took: chrono::TimeDelta,
        facts: &str,
    ) -> std::io::Result<()> {
        match outcome {
            Outcome::Success => self.counts.success += 1,
            Outcome::Failed(_) => self.counts.failed += 1,
            Outcome::Skipped => self.counts.skipped += 1,
            Outcome::UpstreamFailed => self.counts.upstream_failed += 1,
            Outcome::Cancelled => self.counts.cancelled += 1,
        }
        let (sign, word, style) = look::outcome(outcome);
        let faint = look::FAINT;
        let name = look::fit(&self.name(id), self.width);
        let ran = matches!(outcome, Outcome::Success | Outcome::Failed(_));
        let took = if ran {
            format_duration(took.to_std().unwrap_or_default())
        } else {
            String::new()
        };
        let facts = if ran || outcome == &Outcome::Cancelled {
            facts.to_owned()
        } else {
            format!("{faint}{word}{faint:#}")
        };
        let line = format!("  {style}{sign}{style:#} {name}  {took:>7}  {facts}");
        self.line(line.trim_end())
    }

    fn name(&self, id: TaskRunId) -> String {
        let task = self.task(id.task);
        id.item
            .map_or_else(|| task.to_owned(), |item| format!("{task}[{item}]"))
    }

    fn task(&self, task: TaskIndex) -> &str {
        self.names.get(task.get()).map_or("?", String::as_str)
    }

    /// Prints the head of the run.
    pub fn head(&mut self, text: &str) -> std::io::Result<()> {
        self.line(text)
    }

    /// Says something of what leads to the run.
    pub fn note(&mut self, text: &str) -> std::io::Result<()> {
        let warn = look::WARN;
        self.line(&format!("{warn}waiting{warn:#}: {text}"))
    }

    /// Prints a line that stays.
    fn line(&mut self, text: &str) -> std::io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        self.clear()?;
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    fn clear(&mut self) -> std::io::Result<()> {
        if self.drawn > 0 {
            write!(self.out, "\x1b[{}A\x1b[J", self.drawn)?;
            self.drawn = 0;
        }
        Ok(())
    }

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

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or("")
}
