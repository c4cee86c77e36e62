//! A DAG's runs for intervals of the past: which intervals there are, what becomes of each, and how
//! the runs are given to the daemon.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use serde_json::{Map, Value as Json};

use super::mistake::{Mistake, Trouble};
use super::moment;
use crate::daemon::clock::now;
use crate::daemon::{Beginning, NewRun, begin, is_alive, ring};
use crate::model::{DataInterval, RunId, RunState, Timestamp, TriggerKind};
use crate::spec::Pipeline;
use crate::store::{Owner, RunFilter, RunRow, RunStore};

/// More intervals are a slip of the pen.
const MOST: usize = 100_000;
/// Behind everything that the schedule or a person begins.
const PRIORITY: i32 = -100;

/// What becomes of intervals that have a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reprocess {
    /// They are left alone.
    #[default]
    Missing,
    /// Those whose run failed or was cancelled run again.
    Failed,
    /// All run again.
    All,
}

/// From when to when.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a> {
    /// A day or a time.
    pub from: &'a str,
    /// A day or a time.
    pub to: &'a str,
    /// How long the intervals are; without it as the schedule makes them.
    pub every: Option<Duration>,
}

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
///
/// # Errors
/// There is none; a text is no time.
pub fn intervals(pipeline: &Pipeline, span: Span<'_>) -> Result<Vec<DataInterval>, Mistake> {
    let clocks = pipeline
        .schedule
        .iter()
        .flat_map(crate::model::Schedule::clocks);
    let zone = clocks.map(|clock| clock.timezone).next().unwrap_or(Tz::UTC);
    let time = |option: &str, text: &str| {
        moment::parse(text, zone).ok_or_else(|| {
            Mistake::new(format!("`{option} {text}` is no day and no time"))
                .help("write it like 2026-08-20 or 2026-08-20T06:00Z")
        })
    };
    let (from, to) = (time("--from", span.from)?, time("--to", span.to)?);
    if from >= to {
        return Err(Mistake::new("`--to` isn't after `--from`"));
    }
    let mut found = Vec::new();
    let mut push = |interval| {
        found.push(interval);
        found.len() <= MOST
    };
    match (span.every, &pipeline.schedule) {
        (Some(every), _) => {
            let every = chrono::TimeDelta::from_std(every).unwrap_or(chrono::TimeDelta::MAX);
            if every < chrono::TimeDelta::seconds(1) {
                return Err(Mistake::new(
                    "`--every` is too short: a second is the least",
                ));
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
            return Err(Mistake::new(mistake).help("`--every 1d` says how long they are"));
        }
    }
    if found.len() > MOST {
        let mistake = format!("there are more than {MOST} intervals");
        return Err(Mistake::new(mistake).help("name a shorter time"));
    }
    if found.is_empty() {
        return Err(Mistake::new("no interval begins and ends in this time")
            .help("`--from` and `--to` hold whole intervals of the schedule"));
    }
    Ok(found)
}

/// Looks up what each interval has already.
///
/// # Errors
/// When the store can't be read.
pub async fn plan(
    store: &dyn RunStore,
    state: &Path,
    pipeline: &Pipeline,
    intervals: Vec<DataInterval>,
    reprocess: Reprocess,
) -> Result<Plan, Trouble> {
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

    /// The runs that are to begin, oldest data first.
    #[must_use]
    pub fn runs(&self, pipeline: &Arc<Pipeline>, params: &Map<String, Json>) -> VecDeque<NewRun> {
        let due = self.due.iter().filter(|(_, due)| *due == Due::Begins);
        due.map(|(interval, _)| {
            let beginning = Beginning {
                params: params.clone(),
                interval: *interval,
                logical_time: interval.end,
                trigger: TriggerKind::Backfill,
                priority: PRIORITY,
                only: None,
            };
            NewRun {
                spec: begin(pipeline, beginning, now()),
                pipeline: pipeline.clone(),
            }
        })
        .collect()
    }
}

/// Runs that the project's daemon carries out, so many at a time.
pub struct Feed {
    daemon: Owner,
    runs: VecDeque<NewRun>,
    active: Vec<RunId>,
    parallel: usize,
}

impl Feed {
    /// Gives the daemon what was interrupted, and begins to give it the rest.
    ///
    /// # Errors
    /// When the store can't be written.
    pub async fn begin(
        store: &dyn RunStore,
        daemon: Owner,
        plan: &Plan,
        runs: VecDeque<NewRun>,
        parallel: usize,
    ) -> Result<Self, Trouble> {
        let mut active = Vec::new();
        for row in &plan.interrupted {
            store.adopt(&row.owner, &daemon, Some(&row.id)).await?;
            active.push(row.id.clone());
        }
        Ok(Self {
            daemon,
            runs,
            active,
            parallel,
        })
    }

    /// Gives the daemon as many as there is room for. `false`: all have ended.
    ///
    /// # Errors
    /// When the store can't be written, or the bell can't be rung.
    pub async fn give(&mut self, state: &Path, store: &dyn RunStore) -> Result<bool, Trouble> {
        while self.active.len() < self.parallel
            && let Some(run) = self.runs.pop_front()
        {
            let new = crate::store::NewRun {
                spec: run.spec.clone(),
                owner: self.daemon.clone(),
            };
            store
                .begin(std::slice::from_ref(&run.pipeline.version), &[new])
                .await?;
            self.active.push(run.spec.id);
        }
        ring(state, &self.daemon)?;
        Ok(!self.active.is_empty())
    }

    /// Gives no more, and names what the daemon has.
    pub fn stop(&mut self) -> &[RunId] {
        self.runs.clear();
        &self.active
    }

    /// Looks at what the daemon has, and gives what has ended.
    ///
    /// # Errors
    /// The daemon has ended; the store can't be read.
    pub async fn look(
        &mut self,
        state: &Path,
        store: &dyn RunStore,
    ) -> Result<Vec<RunRow>, Trouble> {
        let mut ended = Vec::new();
        let mut going_on = Vec::new();
        for row in store.runs_by_id(&self.active).await? {
            if row.state.is_finished() {
                ended.push(row);
            } else {
                going_on.push(row.id);
            }
        }
        self.active = going_on;
        if !self.active.is_empty() && !is_alive(state, &self.daemon) {
            let mistake = "the daemon has ended; what it has begun goes on at its next start";
            return Err(Mistake::new(mistake)
                .help("the same command again goes on with the rest")
                .into());
        }
        Ok(ended)
    }
}
