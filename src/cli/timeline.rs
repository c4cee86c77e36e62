//! `runner timeline`: what ran when.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use anstyle::Style;
use serde_json::{Value as Json, json};

use super::arguments::{Format, Timeline};
use super::bars::{self, Height, Lane, Mark, Stretch};
use super::context::{Context, runtime};
use super::next::chosen;
use super::{Mistake, exit, find, look, moment, output};
use crate::daemon::clock::now;
use crate::document::units::format_duration;
use crate::model::{DagId, Outcome, RunState, TaskIndex, TaskState, Timestamp};
use crate::operate::course::{Course, Try};
use crate::operate::shape;
use crate::operate::tone::Tone;
use crate::operate::words::plural;
use crate::store::{RunFilter, RunRow, RunStore, SkippedTicks, TaskRunRow};

/// Runs older than the beginning that are looked through for some that reach into it.
const OLDER: u32 = 200;
/// Items of one task that get lanes of their own.
const ITEMS: usize = 12;

pub fn run(context: &Context, command: &Timeline) -> anyhow::Result<u8> {
    context.require_project()?;
    let now = now();
    runtime()?.block_on(async {
        let Some(store) = context.store_if_any().await? else {
            return nothing(command.format);
        };
        let shown = match &command.run {
            Some(name) => {
                let row = find::run(context, store.as_ref(), name).await?;
                one_run(context, store.as_ref(), row, command.format, now).await
            }
            None => all(context, store.as_ref(), command, now).await,
        };
        store.close().await;
        shown
    })
}

fn nothing(format: Format) -> anyhow::Result<u8> {
    let mut out = output::stdout();
    let faint = look::FAINT;
    match format {
        Format::Json => writeln!(out, "{:#}", json!({ "runs": [], "skipped": [] }))?,
        Format::Text => writeln!(out, "{faint}no run yet{faint:#}")?,
    }
    out.flush()?;
    Ok(exit::OK)
}

/// The runs that reach into a stretch of time, newest first.
async fn runs_since(
    store: &dyn RunStore,
    dag: Option<&DagId>,
    since: Timestamp,
) -> anyhow::Result<Vec<RunRow>> {
    let mut found = Vec::new();
    let mut filter = RunFilter {
        dag: dag.cloned(),
        limit: OLDER,
        ..RunFilter::default()
    };
    loop {
        let page = store.runs(&filter).await?;
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id.clone());
        let over = last.created < since;
        let reaches = |row: &RunRow| row.finished.is_none_or(|at| at >= since);
        found.extend(page.into_iter().filter(reaches));
        if over {
            break;
        }
    }
    Ok(found)
}

async fn all(
    context: &Context,
    store: &dyn RunStore,
    command: &Timeline,
    now: Timestamp,
) -> anyhow::Result<u8> {
    let since = command.since.before(now);
    if since >= now {
        return Err(Mistake::new("`--since` isn't in the past").into());
    }
    let mut rows = Vec::new();
    let mut skipped: Vec<SkippedTicks> = Vec::new();
    if command.dag.is_empty() {
        rows = runs_since(store, None, since).await?;
        skipped = store.skipped(None, 10_000).await?;
    } else {
        let (project, _) = context.project()?;
        for pipeline in chosen(&project, &command.dag)? {
            rows.extend(runs_since(store, Some(&pipeline.id), since).await?);
            skipped.extend(store.skipped(Some(&pipeline.id), 10_000).await?);
        }
    }
    skipped.retain(|skipped| skipped.last >= since);
    let mut runs = Vec::with_capacity(rows.len());
    for row in rows {
        runs.push(find::look_at(&context.places.state, store, row).await?);
    }
    let mut out = output::stdout();
    if command.format == Format::Json {
        let skipped = skipped.iter().map(|skipped| {
            json!({
                "dag": skipped.dag.as_str(),
                "first": moment::utc(skipped.first),
                "last": moment::utc(skipped.last),
                "count": skipped.count,
                "reason": skipped.reason,
            })
        });
        let skipped: Vec<Json> = skipped.collect();
        let runs: Vec<Json> = runs
            .iter()
            .map(|(row, gone)| shape::Run::new(row, *gone).json())
            .collect();
        let json = json!({
            "since": moment::utc(since),
            "until": moment::utc(now),
            "runs": runs,
            "skipped": skipped,
        });
        writeln!(out, "{json:#}")?;
        out.flush()?;
        return Ok(exit::OK);
    }
    let lanes = lanes(&runs, &skipped, now);
    let faint = look::FAINT;
    let span = format_duration((now - since).to_std().unwrap_or_default());
    let day = moment::local(since).format("%a %-d %b %Y %H:%M");
    writeln!(out, "since {day} {faint}({span}){faint:#}\n")?;
    if lanes.is_empty() {
        writeln!(out, "{faint}nothing ran{faint:#}")?;
    } else {
        bars::print(
            &mut out,
            (since, now),
            &lanes,
            Height::Share,
            output::columns(),
        )?;
    }
    out.flush()?;
    Ok(exit::OK)
}

/// A lane for each DAG.
fn lanes(runs: &[(RunRow, bool)], skipped: &[SkippedTicks], now: Timestamp) -> Vec<Lane> {
    let dags = runs.iter().map(|(row, _)| &row.dag);
    let dags: BTreeSet<&DagId> = dags.chain(skipped.iter().map(|one| &one.dag)).collect();
    dags.into_iter()
        .map(|dag| {
            let own: Vec<_> = runs.iter().filter(|(row, _)| row.dag == *dag).collect();
            let count = |wanted: fn(&RunRow, bool) -> bool| {
                own.iter().filter(|(row, gone)| wanted(row, *gone)).count()
            };
            let mut facts = vec![(plural(own.len(), "run", "runs"), Style::new())];
            let failed = count(|row, _| row.state == RunState::Failed);
            let going = count(|row, gone| !row.state.is_finished() && !gone);
            let interrupted = count(|_, gone| gone);
            let ticks = skipped.iter().filter(|one| one.dag == *dag);
            let ticks: u64 = ticks.map(|one| one.count).sum();
            for (number, word, style) in [
                (failed as u64, "failed", look::BAD),
                (going as u64, "running", look::BUSY),
                (interrupted as u64, "interrupted", look::WARN),
                (ticks, "skipped", look::WARN),
            ] {
                if number > 0 {
                    facts.push((format!("{} {word}", look::count(number)), style));
                }
            }
            Lane {
                name: dag.to_string(),
                stretches: own
                    .iter()
                    .flat_map(|(row, gone)| stretches(row, *gone, now))
                    .collect(),
                facts,
            }
        })
        .collect()
}

fn stretches(row: &RunRow, interrupted: bool, now: Timestamp) -> Vec<Stretch> {
    let started = row.started.unwrap_or(row.finished.unwrap_or(now));
    let mark = match row.state {
        _ if interrupted => Mark::Cancelled,
        RunState::Success => Mark::Done,
        RunState::Failed => Mark::Failed,
        RunState::Cancelled => Mark::Cancelled,
        RunState::Queued | RunState::Running | RunState::Cancelling => Mark::Running,
    };
    let until = match row.finished {
        Some(at) => at,
        // Nobody knows how long it lived.
        None if interrupted => started,
        None => now,
    };
    let mut stretches = vec![Stretch {
        from: started,
        until,
        mark,
    }];
    if started > row.created {
        stretches.push(Stretch {
            from: row.created,
            until: started,
            mark: Mark::Waiting,
        });
    }
    stretches
}

/// The tasks of one run: when each waited for its turn, ran, and was tried again.
async fn one_run(
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

fn mark(tone: Tone) -> Mark {
    match tone {
        Tone::Success | Tone::Skipped => Mark::Done,
        Tone::Failed => Mark::Failed,
        Tone::Running => Mark::Running,
        _ => Mark::Cancelled,
    }
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
