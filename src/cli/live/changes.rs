//! What happens to a run, as lines.

use std::io::Write;
use std::time::Duration;

use super::{Group, View, Working, first_line, moved};
use crate::cli::look;
use crate::document::units::format_duration;
use crate::model::{
    AttemptOutcome, FailureCause, Outcome, RunState, TaskRunId, TaskState, Timestamp, Transition,
};
use crate::task::Metrics;

impl<W: Write> View<W> {
    pub(super) fn changed(&mut self, transition: Transition) -> std::io::Result<()> {
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
}
