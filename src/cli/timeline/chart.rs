//! The tasks of one run as lanes.

use std::collections::BTreeMap;

use anstyle::Style;
use serde_json::{Value as Json, json};

use super::ITEMS;
use crate::cli::bars::{Lane, Mark, Stretch};
use crate::cli::why::plural;
use crate::cli::{as_json, look, moment};
use crate::document::units::format_duration;
use crate::model::{AttemptOutcome, Outcome, TaskIndex, TaskRunId, TaskState, Timestamp};
use crate::store::{AttemptRow, TaskRunRow};

/// What is known of a run's tasks.
pub(super) struct Chart {
    pub(super) tasks: Vec<TaskRunRow>,
    pub(super) attempts: Vec<AttemptRow>,
    pub(super) names: Vec<String>,
    pub(super) needs: Vec<Vec<TaskIndex>>,
    pub(super) created: Timestamp,
    pub(super) until: Timestamp,
    pub(super) interrupted: bool,
}

/// One attempt, or the one that runs.
struct Try {
    from: Timestamp,
    until: Timestamp,
    mark: Mark,
}

impl Chart {
    /// When a task had all it needed: nothing but a free slot was missing.
    fn ready(&self, task: TaskIndex) -> Timestamp {
        let needs = self.needs.get(task.get()).into_iter().flatten();
        let ends = needs.filter_map(|need| self.ended(*need));
        ends.max().unwrap_or(self.created).max(self.created)
    }

    fn ended(&self, task: TaskIndex) -> Option<Timestamp> {
        let own = TaskRunId { task, item: None };
        let row = self.tasks.iter().find(|row| row.id == own)?;
        match &row.state {
            TaskState::Finished { at, .. } => Some(*at),
            _ => None,
        }
    }

    fn tries(&self, id: TaskRunId) -> Vec<Try> {
        let ended = self.attempts.iter().filter(|attempt| attempt.id == id);
        let mut tries: Vec<Try> = ended
            .map(|attempt| Try {
                from: attempt.started,
                until: attempt.finished,
                mark: match attempt.result.outcome {
                    AttemptOutcome::Success | AttemptOutcome::Skipped => Mark::Done,
                    AttemptOutcome::Failed { .. } => Mark::Failed,
                    AttemptOutcome::Cancelled => Mark::Cancelled,
                },
            })
            .collect();
        let row = self.tasks.iter().find(|row| row.id == id);
        if let Some(TaskState::Running { started, .. }) = row.map(|row| &row.state) {
            tries.push(Try {
                from: *started,
                until: self.until,
                mark: if self.interrupted {
                    Mark::Cancelled
                } else {
                    Mark::Running
                },
            });
        }
        tries.sort_by_key(|one| one.from);
        tries
    }

    pub(super) fn lanes(&self) -> Vec<Lane> {
        let mut by_task: BTreeMap<TaskIndex, Vec<&TaskRunRow>> = BTreeMap::new();
        for row in &self.tasks {
            by_task.entry(row.id.task).or_default().push(row);
        }
        let mut lanes = Vec::new();
        for (task, rows) in by_task {
            let items = rows.iter().filter(|row| row.id.item.is_some()).count();
            let name = self.names.get(task.get()).map_or("?", String::as_str);
            for row in &rows {
                match row.id.item {
                    None if items == 0 => lanes.push(self.lane(row, name.to_owned())),
                    None => lanes.push(self.group(row, &rows, name)),
                    Some(item) if items <= ITEMS => {
                        lanes.push(self.lane(row, format!("  [{item}]")));
                    }
                    Some(_) => {}
                }
            }
        }
        lanes
    }

    fn lane(&self, row: &TaskRunRow, name: String) -> Lane {
        let tries = self.tries(row.id);
        let mut stretches = Vec::new();
        let mut free = self.ready(row.id.task);
        for one in &tries {
            if one.from > free {
                stretches.push(Stretch {
                    from: free,
                    until: one.from,
                    mark: Mark::Waiting,
                });
            }
            stretches.push(Stretch {
                from: one.from,
                until: one.until,
                mark: one.mark,
            });
            free = one.until;
        }
        let mut facts = Vec::new();
        if let (Some(first), Some(last)) = (tries.first(), tries.last()) {
            facts.push((moment::took(first.from, last.until), Style::new()));
            let waited = first.from - self.ready(row.id.task);
            // What is shorter is the machinery itself.
            if waited >= chrono::TimeDelta::milliseconds(100) {
                let waited = format_duration(waited.to_std().unwrap_or_default());
                facts.push((format!("waited {waited}"), look::FAINT));
            }
        }
        if tries.len() > 1 {
            facts.push((plural(tries.len(), "attempt", "attempts"), look::WARN));
        }
        match &row.state {
            TaskState::Finished {
                outcome: Outcome::Success,
                ..
            } => {}
            TaskState::Finished { outcome, .. } => {
                let (_, word, style) = look::outcome(outcome);
                facts.push((word.to_owned(), style));
            }
            TaskState::Running { .. } if self.interrupted => {
                facts.push(("interrupted".to_owned(), look::WARN));
            }
            TaskState::Running { .. } | TaskState::Expanded { .. } => {
                facts.push(("running".to_owned(), look::BUSY));
            }
            TaskState::RetryWait { .. } => facts.push(("waits to retry".to_owned(), look::WARN)),
            TaskState::Ready => facts.push(("ready".to_owned(), look::FAINT)),
            TaskState::Waiting => facts.push(("waiting".to_owned(), look::FAINT)),
        }
        Lane {
            name,
            stretches,
            facts,
        }
    }

    /// All items of a task in one lane.
    fn group(&self, row: &TaskRunRow, rows: &[&TaskRunRow], name: &str) -> Lane {
        let mut lane = self.lane(row, name.to_owned());
        let items: Vec<_> = rows.iter().filter(|row| row.id.item.is_some()).collect();
        let tries: Vec<Try> = items.iter().flat_map(|row| self.tries(row.id)).collect();
        lane.stretches = tries
            .iter()
            .map(|one| Stretch {
                from: one.from,
                until: one.until,
                mark: one.mark,
            })
            .collect();
        let first = tries.iter().map(|one| one.from).min();
        let last = tries.iter().map(|one| one.until).max();
        let mut facts = vec![(plural(items.len(), "item", "items"), Style::new())];
        if let (Some(first), Some(last)) = (first, last) {
            facts.insert(0, (moment::took(first, last), Style::new()));
        }
        facts.append(&mut lane.facts);
        lane.facts = facts;
        lane
    }

    pub(super) fn json(&self) -> Vec<Json> {
        let task = |row: &TaskRunRow| {
            let tries = self.tries(row.id).into_iter().map(|one| {
                json!({
                    "started": moment::utc(one.from),
                    "finished": moment::utc(one.until),
                    "outcome": match one.mark {
                        Mark::Done => "success",
                        Mark::Failed => "failed",
                        Mark::Cancelled => "cancelled",
                        _ => "running",
                    },
                })
            });
            json!({
                "task": self.names.get(row.id.task.get()),
                "item": row.id.item,
                "state": as_json::task_state(&row.state),
                "ready": moment::utc(self.ready(row.id.task)),
                "attempts": tries.collect::<Vec<_>>(),
            })
        };
        self.tasks.iter().map(task).collect()
    }
}
