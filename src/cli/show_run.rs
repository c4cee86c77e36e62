//! A run: how it stands, and its tasks with their times.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use super::arguments::{Format, Show};
use super::table::{self, Cell, Column};
use super::watch::params_text;
use super::{exit, find, look, moment, output};
use crate::daemon::clock::now;
use crate::daemon::trigger_word;
use crate::model::{FailureCause, Outcome, RunState, TaskIndex, TaskState, Timestamp, TriggerKind};
use crate::operate::run::{Known, metrics};
use crate::operate::shape;
use crate::operate::words::moved;
use crate::store::{RunRow, TaskRunRow};

/// So many causes are told in full.
const CAUSES: usize = 5;

const COLUMNS: &[Column<'_>] = &[
    Column::left(""),
    Column::left("task").shrinking(),
    Column::left("state"),
    Column::left("start"),
    Column::right("took"),
    Column::right("attempts"),
    Column::left("").shrinking(),
];

/// What is shown of a run.
struct Shown {
    run: RunRow,
    interrupted: bool,
    names: Vec<String>,
    tasks: Vec<TaskRunRow>,
    now: Timestamp,
}

pub fn show(known: Known, command: &Show) -> anyhow::Result<u8> {
    let shown = Shown {
        run: known.run,
        interrupted: known.interrupted,
        names: known.names,
        tasks: known.tasks,
        now: now(),
    };
    let mut out = output::stdout();
    if command.format == Format::Json {
        let (run, interrupted) = (&shown.run, shown.interrupted);
        let json = shape::run_with_tasks(run, interrupted, &shown.names, &shown.tasks).json();
        writeln!(out, "{json:#}")?;
    } else {
        shown.head(&mut out)?;
        writeln!(out)?;
        let rows = shown.rows(command.items);
        table::print(&mut out, COLUMNS, &rows, output::columns())?;
        shown.foot(&mut out)?;
    }
    out.flush()?;
    Ok(exit::OK)
}

/// What became of the items of a group.
#[derive(Default)]
struct Items {
    ended: u64,
    failed: u64,
    rows: u64,
    bytes: u64,
    /// When the first of them started.
    started: Option<Timestamp>,
}

impl Shown {
    fn head(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let (bold, faint, run) = (look::BOLD, look::FAINT, &self.run);
        let (word, style) = find::state_word(run.state, self.interrupted);
        let took = match (run.started, run.finished) {
            (Some(started), Some(finished)) => {
                format!(" in {}", moment::took(started, finished))
            }
            (Some(started), None) if !self.interrupted => {
                format!(" for {}", moment::took(started, self.now))
            }
            _ => String::new(),
        };
        writeln!(
            out,
            "{bold}{}{bold:#}  run {}  {style}{word}{style:#}{took}",
            run.dag, run.id
        )?;
        let trigger = match &run.trigger {
            TriggerKind::Dag { run } => format!("dag (run {run})"),
            TriggerKind::After { what } => format!("after {what}"),
            TriggerKind::Event { source, .. } => source.clone(),
            other => trigger_word(other).to_owned(),
        };
        let mut facts = vec![("trigger", trigger), ("created", self.moment(run.created))];
        if let Some(finished) = run.finished {
            facts.push(("finished", self.moment(finished)));
        }
        let interval = run.interval;
        if interval.start != interval.end {
            let (start, end) = (moment::utc(interval.start), moment::utc(interval.end));
            facts.push(("interval", format!("{start} to {end}")));
        }
        let params = params_text(&run.params);
        if !params.is_empty() {
            facts.push(("params", params));
        }
        facts.push(("version", run.version.chars().take(12).collect()));
        for (name, text) in facts {
            writeln!(out, "  {faint}{name:<8}{faint:#}  {text}")?;
        }
        Ok(())
    }

    fn moment(&self, at: Timestamp) -> String {
        let (exact, short) = (moment::exact(at, self.now), moment::short(at, self.now));
        // `today 14:02` says nothing that `14:02:03` doesn't.
        if short.ends_with("ago") {
            format!("{exact} ({short})")
        } else {
            exact
        }
    }

    fn name(&self, task: TaskIndex) -> &str {
        self.names.get(task.get()).map_or("?", String::as_str)
    }

    /// What became of the items of each group.
    fn items(&self) -> HashMap<TaskIndex, Items> {
        let mut groups: HashMap<TaskIndex, Items> = HashMap::new();
        for row in self.tasks.iter().filter(|row| row.id.item.is_some()) {
            let items = groups.entry(row.id.task).or_default();
            if let TaskState::Finished { outcome, .. } = &row.state {
                items.ended += 1;
                items.failed += u64::from(matches!(outcome, Outcome::Failed(_)));
            }
            if let Some(started) = row.started {
                items.started = Some(items.started.map_or(started, |first| first.min(started)));
            }
            let metrics = metrics(row);
            items.rows += metrics.rows.unwrap_or(0);
            items.bytes += metrics.bytes.unwrap_or(0);
        }
        groups
    }

    fn rows(&self, all_items: bool) -> Vec<Vec<Cell>> {
        let groups = self.items();
        let mut by_task: BTreeMap<TaskIndex, Vec<&TaskRunRow>> = BTreeMap::new();
        for row in &self.tasks {
            by_task.entry(row.id.task).or_default().push(row);
        }
        let mut rows = Vec::new();
        let count = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        for task in (0..count).map(TaskIndex) {
            let own = by_task.remove(&task).unwrap_or_default();
            if !own.iter().any(|row| row.id.item.is_none()) {
                rows.push(self.waiting(task));
            }
            for row in own {
                let failed = matches!(
                    &row.state,
                    TaskState::Finished {
                        outcome: Outcome::Failed(_),
                        ..
                    }
                );
                if row.id.item.is_none() || all_items || failed {
                    rows.push(self.row(row, groups.get(&task)));
                }
            }
        }
        rows
    }

    fn waiting(&self, task: TaskIndex) -> Vec<Cell> {
        let empty = Cell::plain("");
        vec![
            Cell::styled("·", look::FAINT),
            Cell::plain(self.name(task)),
            Cell::styled("waiting", look::FAINT),
            empty.clone(),
            empty.clone(),
            empty.clone(),
            empty,
        ]
    }

    fn row(&self, row: &TaskRunRow, group: Option<&Items>) -> Vec<Cell> {
        let (sign, word, style) = match &row.state {
            TaskState::Finished { outcome, .. } => look::outcome(outcome),
            TaskState::Waiting => ("·", "waiting", look::FAINT),
            TaskState::Ready => ("·", "ready", look::BUSY),
            TaskState::RetryWait { .. } => ("↻", "waits to retry", look::WARN),
            TaskState::Running { .. } | TaskState::Expanded { .. } if self.interrupted => {
                ("!", "interrupted", look::WARN)
            }
            TaskState::Running { .. } | TaskState::Expanded { .. } => ("▸", "running", look::BUSY),
        };
        let name = match row.id.item {
            Some(item) => format!("  [{item}]"),
            None => self.name(row.id.task).to_owned(),
        };
        let group = group.filter(|_| row.id.item.is_none());
        let started = group.map_or(row.started, |items| items.started);
        let (start, took) = self.times(started, &row.state);
        let facts = facts(row, group);
        let attempts = if row.attempts > 1 {
            row.attempts.to_string()
        } else {
            String::new()
        };
        vec![
            Cell::styled(sign, style),
            Cell::plain(name),
            Cell::styled(word, style),
            Cell::styled(start, look::FAINT),
            Cell::plain(took),
            Cell::plain(attempts),
            facts,
        ]
    }

    fn times(&self, started: Option<Timestamp>, state: &TaskState) -> (String, String) {
        let Some(started) = started else {
            return (String::new(), String::new());
        };
        let end = match state {
            TaskState::Finished { at, .. } => Some(*at),
            _ if self.interrupted => None,
            _ => Some(self.now),
        };
        let took = end.map_or_else(String::new, |end| moment::took(started, end));
        (moment::exact(started, self.now), took)
    }

    fn foot(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let (bad, faint, run) = (look::BAD, look::FAINT, &self.run);
        let groups = self.items();
        let failed: Vec<(&TaskRunRow, &FailureCause)> = self
            .tasks
            .iter()
            // A group's failure repeats that of its first item.
            .filter(|row| row.id.item.is_some() || !groups.contains_key(&row.id.task))
            .filter_map(|row| Some((row, shape::cause_of(row)?)))
            .collect();
        for (row, cause) in failed.iter().take(CAUSES) {
            let task = self.name(row.id.task);
            let (item, option) = match row.id.item {
                Some(item) => (format!("[{item}]"), format!(" --item {item}")),
                None => (String::new(), String::new()),
            };
            let tries = if row.attempts > 1 {
                format!(" after {} attempts", row.attempts)
            } else {
                String::new()
            };
            let failed = if row.state.is_finished() {
                " failed"
            } else {
                ""
            };
            writeln!(out, "\n{bad}{task}{item}{bad:#}{failed}{tries}:")?;
            for line in cause.message.lines() {
                writeln!(out, "  {line}")?;
            }
            let id = &run.id;
            writeln!(
                out,
                "{faint}  its log: runner logs {id} {task}{option}{faint:#}"
            )?;
        }
        if failed.len() > CAUSES {
            writeln!(
                out,
                "\nand {} more",
                look::count((failed.len() - CAUSES) as u64)
            )?;
        }
        if self.interrupted {
            let warn = look::WARN;
            writeln!(
                out,
                "\n{warn}the process that carried it out is gone{warn:#}\n{faint}  finish it: \
                 runner resume {}{faint:#}",
                run.id
            )?;
        } else if run.state == RunState::Failed {
            writeln!(
                out,
                "{faint}  try again what failed: runner retry {}{faint:#}",
                run.id
            )?;
        }
        Ok(())
    }
}

/// What a task did, or why it didn't.
fn facts(row: &TaskRunRow, group: Option<&Items>) -> Cell {
    if let Some(items) = group {
        let total = match &row.state {
            TaskState::Expanded { items } => u64::from(*items),
            _ => items.ended,
        };
        let mut facts = vec![if items.ended < total {
            format!(
                "{} of {} items",
                look::count(items.ended),
                look::count(total)
            )
        } else {
            format!("{} items", look::count(total))
        }];
        if items.failed > 0 {
            facts.push(format!("{} failed", look::count(items.failed)));
        }
        facts.extend(moved(items.rows, items.bytes, std::time::Duration::ZERO));
        return Cell::plain(facts.join("  "));
    }
    if let Some(cause) = shape::cause_of(row) {
        let first = cause.message.lines().next().unwrap_or_default();
        return Cell::styled(first, look::BAD);
    }
    let metrics = metrics(row);
    let (rows, bytes) = (metrics.rows.unwrap_or(0), metrics.bytes.unwrap_or(0));
    let mut facts = Vec::new();
    facts.extend(moved(rows, bytes, std::time::Duration::ZERO));
    facts.extend(metrics.summary);
    facts.extend(metrics.made.iter().map(|made| format!("→ {made}")));
    Cell::plain(facts.join("  "))
}
