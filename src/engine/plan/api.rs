//! What goes into the planner and what comes out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::spans;
use crate::model::{
    After, DagId, DataInterval, DatasetId, Json, OverlapPolicy, RunId, RunState, Schedule,
    Timestamp,
};

/// What the planner sees of a DAG.
#[derive(Debug, Clone, PartialEq)]
pub struct DagPlan {
    pub dag: DagId,
    /// Tells versions apart: a stream is begun anew when it changes.
    pub version: String,
    /// `None`: only people and what it comes after start it.
    pub schedule: Option<Schedule>,
    /// What becomes of a start that no clock makes while a run goes on.
    pub overlap: OverlapPolicy,
    /// Most runs at a time; `None`: one, or any number with `overlap: allow`.
    pub max_runs: Option<u32>,
    /// A scheduled run waits until the one before it has succeeded.
    pub depends_on_past: bool,
    /// What starts it, where no clock does.
    pub after: After,
    /// What it waits for outside, in words.
    pub triggers: Vec<String>,
    /// When a run should be over, counted from its scheduled time.
    pub deadline: Option<Duration>,
}

/// What is known of a DAG from before, kept in the store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Ticks up to here are decided, and what it comes after was heard of up to here. `None`: the
    /// DAG is new.
    pub decided: Option<Timestamp>,
    /// What waits for its run, oldest first.
    #[serde(with = "spans")]
    pub waiting: Vec<Occurrence>,
    /// Which of `after` have succeeded for intervals that aren't complete yet.
    pub arrived: Vec<(DataInterval, BTreeSet<DagId>)>,
    /// The datasets of `after` that are newer than the last start, and what was written to them
    /// since: the span of the intervals.
    pub written: BTreeMap<DatasetId, DataInterval>,
    /// The last calls from outside, oldest first: one that comes again starts nothing.
    pub fired: Vec<String>,
    /// The number of the next message of each stream of messages.
    pub places: BTreeMap<String, i64>,
    /// What can't be looked at now, by the trigger that looks.
    pub troubles: BTreeMap<String, Trouble>,
    /// The scheduled times of runs that have missed their deadline and haven't ended.
    pub late: BTreeSet<Timestamp>,
}

/// A run that is to begin by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// The scheduled time; without a clock the moment that called for it.
    pub tick: Timestamp,
    pub interval_start: Timestamp,
    pub interval_end: Timestamp,
    #[serde(default, skip_serializing_if = "Cause::is_tick")]
    pub cause: Cause,
}

/// What calls for a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A tick of the schedule.
    #[default]
    Tick,
    /// A stream always runs.
    Stream,
    /// All that the DAG comes after is there.
    After,
    /// Something happened outside.
    Fired(Firing),
}

impl Cause {
    pub(super) fn is_tick(&self) -> bool {
        *self == Self::Tick
    }
}

/// Something that happened outside and calls for one run: a file, rows, messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// What happened, for people, in one line: `file in/prices.csv`.
    pub source: String,
    /// What happened, for templates, as a JSON object.
    pub detail: Json,
    /// Parameters of the run as a JSON object; what it lacks has its default.
    pub params: Json,
}

/// What tells one thing outside apart from every other for the same DAG: each starts one run once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// Something that is there and may go, such as a file. It is known as long as it is there;
    /// with another stamp it is new.
    Thing { name: String, stamp: String },
    /// A message of a stream: all before it are known with it.
    Place { stream: String, number: i64 },
    /// A call that nobody can look at later. The last thousand are known.
    Call(String),
}

/// What a trigger can't look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    pub since: Timestamp,
    pub message: String,
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    pub run: RunId,
    /// From when its deadline counts. `None`: another process looks after it.
    pub since: Option<Timestamp>,
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

/// Something that a DAG comes after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A whole run of a DAG has succeeded.
    Dag {
        dag: DagId,
        at: Timestamp,
        interval: DataInterval,
    },
    /// A dataset is newer.
    Dataset {
        dataset: DatasetId,
        at: Timestamp,
        interval: DataInterval,
    },
}

/// Something that happened.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "the many events of a start are all the large one"
)]
pub enum PlanEvent {
    /// A DAG is there, for the first time in this process or with another definition. `running` are
    /// its runs that have not ended, with the last end of a scheduled one; only the first event of
    /// a DAG is asked for them and for what was remembered.
    Known {
        plan: DagPlan,
        memory: Memory,
        paused: bool,
        running: Vec<Active>,
        last: Option<RunState>,
        /// What it comes after that happened while nobody listened, in its order.
        heard: Vec<Heard>,
        /// The things outside that have started runs and are still there: names and stamps.
        things: BTreeMap<String, String>,
    },
    /// Its file is gone. Runs go on.
    Gone { dag: DagId },
    /// A person has paused a DAG, or lets it go on.
    Paused { dag: DagId, paused: bool },
    /// A run of a DAG has begun, whoever started it.
    Began { dag: DagId, active: Active },
    /// A run that was decided on can't begin: its tick is over.
    NotBegun { dag: DagId },
    /// A run has ended.
    Ended {
        dag: DagId,
        run: RunId,
        state: RunState,
        at: Timestamp,
        interval: DataInterval,
        /// Whether it began by itself.
        scheduled: bool,
        /// Whether all tasks were in it: a part of a DAG starts no other.
        whole: bool,
    },
    /// A task that writes a dataset has succeeded, in a run of whichever DAG.
    Wrote {
        dataset: DatasetId,
        at: Timestamp,
        interval: DataInterval,
    },
    /// Something outside calls for a run. It may be several things: with all of their keys known it
    /// starts nothing.
    Fired {
        dag: DagId,
        keys: Vec<Key>,
        firing: Firing,
    },
    /// Things outside are gone: they may come again.
    Vanished { dag: DagId, names: Vec<String> },
    /// A stream of messages is read from here on, unless it is known how far it has come.
    Stands {
        dag: DagId,
        stream: String,
        next: i64,
    },
    /// A trigger can't look; `None`: it can again.
    Trouble {
        dag: DagId,
        trigger: String,
        message: Option<String>,
    },
    /// The time that [`Planner::next_wakeup`](super::Planner::next_wakeup) named has come.
    Wakeup,
}

/// What is to be done; all decisions of one call become durable together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Begin a run. The store refuses a second one of the same DAG and tick.
    Start { dag: DagId, occurrence: Occurrence },
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
    /// A run isn't over in time; said once. `run` is `None` while it hasn't even begun.
    DeadlineMissed {
        dag: DagId,
        run: Option<RunId>,
        /// The scheduled time.
        scheduled: Timestamp,
        /// When it should have been over.
        deadline: Timestamp,
    },
    /// Remember this of a DAG.
    Remember { dag: DagId, memory: Memory },
    /// Remember a thing that starts a run.
    Keep {
        dag: DagId,
        name: String,
        stamp: String,
    },
    /// Forget a thing that is gone.
    Forget { dag: DagId, name: String },
    /// Forget the order for a call: it has been decided.
    Answered { dag: DagId, call: String },
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
    /// Too many were waiting already.
    Crowded,
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
            Self::Crowded => "too many were waiting already",
        }
    }
}
