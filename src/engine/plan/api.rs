//! What goes into the planner and what comes out of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{DagId, DataInterval, RunId, RunState, Schedule, Timestamp};

/// What the planner sees of a DAG.
#[derive(Debug, Clone, PartialEq)]
pub struct DagPlan {
    pub dag: DagId,
    /// Tells versions apart: a stream is begun anew when it changes.
    pub version: String,
    /// `None`: only people and other DAGs start it.
    pub schedule: Option<Schedule>,
    /// Most runs at a time; `None`: one, or any number with `overlap: allow`.
    pub max_runs: Option<u32>,
    /// A scheduled run waits until the one before it has succeeded.
    pub depends_on_past: bool,
    /// It starts when all of these have succeeded for the same data interval.
    pub after: BTreeSet<DagId>,
}

/// What is known of a DAG from before, kept in the store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Ticks up to here are decided. `None`: the DAG is new.
    pub decided: Option<Timestamp>,
    /// Ticks that wait for their run, oldest first.
    pub waiting: Vec<Occurrence>,
    /// Which of `after` have succeeded for intervals that aren't complete yet.
    pub arrived: Vec<(DataInterval, BTreeSet<DagId>)>,
}

/// A run that is to begin by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Occurrence {
    /// The scheduled time.
    pub tick: Timestamp,
    pub interval_start: Timestamp,
    pub interval_end: Timestamp,
}

impl Occurrence {
    /// What the run is about.
    #[must_use]
    pub fn interval(&self) -> DataInterval {
        DataInterval {
            start: self.interval_start,
            end: self.interval_end,
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum PlanEvent {
    /// A DAG is there, for the first time in this process or with another definition. `running` are
    /// its runs that have not ended, with the last end of a scheduled one; only the first event of
    /// a DAG is asked for them and for what was remembered.
    Known {
        plan: DagPlan,
        memory: Memory,
        paused: bool,
        running: Vec<RunId>,
        last: Option<RunState>,
    },
    /// Its file is gone. Runs go on.
    Gone { dag: DagId },
    /// A person has paused a DAG, or lets it go on.
    Paused { dag: DagId, paused: bool },
    /// A run of a DAG has begun, whoever started it.
    Began { dag: DagId, run: RunId },
    /// A run that was decided on can't begin: its tick is over.
    NotBegun { dag: DagId },
    /// A run has ended.
    Ended {
        dag: DagId,
        run: RunId,
        state: RunState,
        interval: DataInterval,
        /// Whether the schedule started it.
        scheduled: bool,
    },
    /// The time that [`Planner::next_wakeup`](super::Planner::next_wakeup) named has come.
    Wakeup,
}

/// What is to be done; all decisions of one call become durable together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Begin a run. The store refuses a second one of the same DAG and tick.
    Start {
        dag: DagId,
        occurrence: Occurrence,
        /// A stream's run has no tick of its own.
        stream: bool,
    },
    /// Record ticks that don't run: from the first to the last, that many.
    Skip {
        dag: DagId,
        first: Timestamp,
        last: Timestamp,
        count: u64,
        reason: SkipReason,
    },
    /// End a run to make room.
    Cancel { dag: DagId, run: RunId },
    /// Remember this of a DAG.
    Remember { dag: DagId, memory: Memory },
}

/// Why a tick doesn't run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// It passed while nothing could start it, and `catchup` doesn't ask for it.
    Missed,
    /// A run of the DAG was going on, with `overlap: skip`.
    Overlap,
    /// A later tick took its place, with `overlap: cancel_running`.
    Replaced,
    /// The DAG was paused.
    Paused,
}

impl SkipReason {
    /// The reason in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Missed => "missed while nothing could start it",
            Self::Overlap => "a run was going on",
            Self::Replaced => "a later tick took its place",
            Self::Paused => "paused",
        }
    }
}

/// Why a DAG doesn't run now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// Nothing starts it by itself.
    NoSchedule,
    Paused,
    /// Its next tick.
    Until(Timestamp),
    /// Its runs must end first.
    Running(Vec<RunId>),
    /// The run before has not succeeded.
    Past,
    /// Other DAGs have to succeed for the interval first.
    Others(DataInterval, Vec<DagId>),
    /// A stream that has ended is begun again then.
    Restart(Timestamp),
}
