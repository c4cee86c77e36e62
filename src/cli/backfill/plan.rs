//! Which intervals a backfill is about, and what becomes of each.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use chrono_tz::Tz;

use crate::cli::arguments::{Backfill, Reprocess};
use crate::cli::{Mistake, look, moment};
use crate::daemon::is_alive;
use crate::model::{DataInterval, RunState, Timestamp};
use crate::spec::Pipeline;
use crate::store::{RunFilter, RunRow, RunStore};

/// More intervals are a slip of the pen.
const MOST: usize = 100_000;

/// What becomes of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A run of it begins.
    Begins,
    /// A run of it was interrupted, and goes on.
    GoesOn,
    /// A run of it is being carried out.
    IsOn,
    /// It has a run that ended so.
    Has(RunState),
}

/// All intervals, oldest first, and what becomes of them.
#[derive(Debug)]
pub struct Plan {
    pub due: Vec<(DataInterval, Due)>,
    /// Runs that go on here.
    pub interrupted: Vec<RunRow>,
}

/// The intervals between two moments: the schedule's own, or of a length that was asked for.
pub fn intervals(pipeline: &Pipeline, command: &Backfill) -> anyhow::Result<Vec<DataInterval>> {
    let clocks = pipeline
        .schedule
        .iter()
        .flat_map(crate::model::Schedule::clocks);
    let zone = clocks.map(|clock| clock.timezone).next().unwrap_or(Tz::UTC);
    let time = |option: &str, text: &str| -> anyhow::Result<Timestamp> {
        moment::parse(text, zone).ok_or_else(|| {
            Mistake::new(format!("`{option} {text}` is no day and no time"))
                .help("write it like 2026-08-20 or 2026-08-20T06:00Z")
                .into()
        })
    };
    let (from, to) = (time("--from", &command.from)?, time("--to", &command.to)?);
    if from >= to {
        return Err(Mistake::new("`--to` isn't after `--from`").into());
    }
    let mut found = Vec::new();
    let mut push = |interval| {
        found.push(interval);
        found.len() <= MOST
    };
    match (command.every, &pipeline.schedule) {
        (Some(every), _) => {
            let every = chrono::TimeDelta::from_std(every).unwrap_or(chrono::TimeDelta::MAX);
            if every < chrono::TimeDelta::seconds(1) {
                return Err(Mistake::new("`--every` is too short: a second is the least").into());
            }
            let mut start = from;
            while let Some(end) = start.checked_add_signed(every).filter(|end| *end <= to) {
                if !push(DataInterval { start, end }) {
                    break;
                }
                start = end;
            }
        }
        (None, Some(schedule)) if !schedule.clocks().is_empty() => {
            let ticks = schedule.ticks_after(from).take_while(|tick| *tick <= to);
            let intervals = ticks.map(|tick| schedule.interval_ending(tick));
            for interval in intervals.filter(|interval| interval.start >= from) {
                if !push(interval) {
                    break;
                }
            }
        }
        _ => {
            let mistake = format!("DAG `{}` has no schedule that makes intervals", pipeline.id);
            return Err(Mistake::new(mistake)
                .help("`--every 1d` says how long they are")
                .into());
        }
    }
    if found.len() > MOST {
        let mistake = format!("there are more than {MOST} intervals");
        return Err(Mistake::new(mistake).help("name a shorter time").into());
    }
    if found.is_empty() {
        return Err(Mistake::new("no interval begins and ends in this time")
            .help("`--from` and `--to` hold whole intervals of the schedule")
            .into());
    }
    Ok(found)
}

/// Looks up what each interval has already.
pub async fn plan(
    store: &dyn RunStore,
    state: &Path,
    pipeline: &Pipeline,
    intervals: Vec<DataInterval>,
    reprocess: Reprocess,
) -> anyhow::Result<Plan> {
    let filter = RunFilter {
        dag: Some(pipeline.id.clone()),
        ..RunFilter::default()
    };
    let mut latest: BTreeMap<(Timestamp, Timestamp), RunRow> = BTreeMap::new();
    for row in store.runs(&filter).await? {
        // Newest first: the first one is the latest.
        let key = (row.interval.start, row.interval.end);
        latest.entry(key).or_insert(row);
    }
    let mut plan = Plan {
        due: Vec::with_capacity(intervals.len()),
        interrupted: Vec::new(),
    };
    for interval in intervals {
        let row = latest.remove(&(interval.start, interval.end));
        let due = match &row {
            None => Due::Begins,
            Some(row) if !row.state.is_finished() => {
                if is_alive(state, &row.owner) {
                    Due::IsOn
                } else {
                    Due::GoesOn
                }
            }
            Some(row) => match (reprocess, row.state) {
                (Reprocess::All, _)
                | (Reprocess::Failed, RunState::Failed | RunState::Cancelled) => Due::Begins,
                (_, state) => Due::Has(state),
            },
        };
        if let (Due::GoesOn, Some(row)) = (due, row) {
            plan.interrupted.push(row);
        }
        plan.due.push((interval, due));
    }
    Ok(plan)
}

impl Plan {
    /// How many intervals have a fate.
    pub fn count(&self, of: impl Fn(Due) -> bool) -> usize {
        self.due.iter().filter(|(_, due)| of(*due)).count()
    }

    /// Each interval and what would become of it.
    pub fn show(&self, out: &mut impl Write) -> std::io::Result<()> {
        let faint = look::FAINT;
        for (interval, due) in &self.due {
            let fate = match due {
                Due::Begins => "would run".to_owned(),
                Due::GoesOn => "would go on".to_owned(),
                Due::IsOn => format!("{faint}is running{faint:#}"),
                Due::Has(state) => format!("{faint}has a run: {}{faint:#}", state.as_str()),
            };
            writeln!(out, "  {}  {fate}", words(*interval))?;
        }
        let begins = self.count(|due| due == Due::Begins);
        writeln!(
            out,
            "{} of {} intervals would run  {faint}(dry run){faint:#}",
            look::count(begins as u64),
            look::count(self.due.len() as u64)
        )
    }
}

/// An interval in UTC, as short as it can be said.
pub fn words(interval: DataInterval) -> String {
    let midnight = |at: Timestamp| at.time() == chrono::NaiveTime::MIN;
    let format = if midnight(interval.start) && midnight(interval.end) {
        "%Y-%m-%d"
    } else {
        "%Y-%m-%dT%H:%M:%SZ"
    };
    let (start, end) = (interval.start.format(format), interval.end.format(format));
    format!("{start} to {end}")
}
