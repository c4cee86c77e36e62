//! A lane for each task of one run: when it waited for its turn, ran, and was tried again.

use std::collections::BTreeMap;
use std::io::Write as _;

use anstyle::Style;
use serde_json::{Value as Json, json};

use crate::cli::arguments::Format;
use crate::cli::bars::{self, Height, Lane, Mark, Stretch};
use crate::cli::context::Context;
use crate::cli::{exit, find, look, moment, output};
use crate::document::units::format_duration;
use crate::model::{Outcome, TaskIndex, TaskState, Timestamp};
use crate::operate::course::{Course, Try};
use crate::operate::shape;
use crate::operate::tone::Tone;
use crate::operate::words::plural;
use crate::store::{RunRow, RunStore, TaskRunRow};

/// Items of one task that get lanes of their own.
const ITEMS: usize = 12;

/// Shows the tasks of one run.
pub async fn one_run(
    context: &Context,
    store: &dyn RunStore,
    row: RunRow,
    format: Format,
    now: Timestamp,
) -> anyhow::Result<u8> {
    let (row, interrupted) = find::look_at(&context.places.state, store, row).await?;
    let version = find::version(store, &row).await?;
    let needs: Vec<Vec<TaskIndex>> = match context.project() {
        Ok((project, _)) => project.pinned(&version).map_or_else(
            |_| Vec::new(),
            |pipeline| {
                pipeline
                    .dag
                    .tasks
                    .iter()
                    .map(|task| task.needs.clone())
                    .collect()
            },
        ),
        Err(_) => Vec::new(),
    };
    let until = row.finished.unwrap_or(now);
    let tasks = store.task_runs(&row.id).await?;
    let attempts = store.attempts(&row.id, None).await?;
    let chart = Chart {
        course: Course::new((&row, interrupted), needs, &tasks, &attempts, now),
        tasks,
        names: version.tasks,
        interrupted,
    };
    let mut out = output::stdout();
    if format == Format::Json {
        let mut json = shape::Run::new(&row, interrupted).json();
        if let Json::Object(json) = &mut json {
            json.insert("tasks".to_owned(), chart.json().into());
        }
        writeln!(out, "{json:#}")?;
        out.flush()?;
        return Ok(exit::OK);
    }
    let (bold, faint) = (look::BOLD, look::FAINT);
    let (word, style) = find::state_word(row.state, interrupted);
    let took = moment::took(row.created, until);
    writeln!(
        out,
        "{bold}{}{bold:#}  run {}  {style}{word}{style:#}  {faint}{} for {took}{faint:#}\n",
        row.dag,
        row.id,
        moment::exact(row.created, now)
    )?;
    let lanes = chart.lanes();
    if lanes.is_empty() {
        writeln!(out, "{faint}nothing has begun{faint:#}")?;
    } else {
        let span = (
            row.created,
            until.max(row.created + chrono::TimeDelta::milliseconds(10)),
        );
        bars::print(&mut out, span, &lanes, Height::Full, output::columns())?;
    }
    out.flush()?;
    Ok(exit::OK)
}

struct Chart {
    course: Course,
    tasks: Vec<TaskRunRow>,
    names: Vec<String>,
    interrupted: bool,
}

impl Chart {
    fn lanes(&self) -> Vec<Lane> {
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
        let tries = self.course.tries(row.id);
        let mut stretches = Vec::new();
        let mut free = self.course.ready(row.id.task);
        for one in tries {
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
                mark: mark(one.tone),
            });
            free = one.until;
        }
        let mut facts = Vec::new();
        if let (Some(first), Some(last)) = (tries.first(), tries.last()) {
            facts.push((moment::took(first.from, last.until), Style::new()));
            let waited = first.from - self.course.ready(row.id.task);
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
        let tries = items.iter().flat_map(|row| self.course.tries(row.id));
        let tries: Vec<Try> = tries.copied().collect();
        lane.stretches = tries
            .iter()
            .map(|one| Stretch {
                from: one.from,
                until: one.until,
                mark: mark(one.tone),
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

    fn json(&self) -> Vec<Json> {
        let task = |row: &TaskRunRow| {
            let tries = self.course.tries(row.id).iter().map(|one| {
                json!({
                    "started": moment::utc(one.from),
                    "finished": moment::utc(one.until),
                    "outcome": match mark(one.tone) {
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
                "state": shape::task_state(&row.state),
                "ready": moment::utc(self.course.ready(row.id.task)),
                "attempts": tries.collect::<Vec<_>>(),
            })
        };
        self.tasks.iter().map(task).collect()
    }
}

fn mark(tone: Tone) -> Mark {
    match tone {
        Tone::Success | Tone::Skipped => Mark::Done,
        Tone::Failed => Mark::Failed,
        Tone::Running => Mark::Running,
        _ => Mark::Cancelled,
    }
}
