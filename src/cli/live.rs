//! A run as it happens: on a terminal with a live part below what has ended, otherwise plain lines.

mod end;
mod frame;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use self::end::Counts;
use super::attend::Show;
use super::look;
use crate::daemon::News;
use crate::daemon::clock::now;
use crate::document::units::format_duration;
use crate::model::{
    AttemptOutcome, FailureCause, Outcome, RunId, RunState, TaskIndex, TaskRunId, TaskState,
    Timestamp, Transition,
};
use crate::operate::words::moved;
use crate::task::{Metrics, Progress};

/// The longest column of names.
const NAME_WIDTH: usize = 32;

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
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or("")
}
