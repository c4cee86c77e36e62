//! The schedule of a DAG.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Clock;
use crate::model::{DataInterval, Timestamp};

/// When a DAG runs by itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// A stream: started with the daemon and again whenever it ends.
    Always,
    /// At the ticks of its clocks.
    Ticks(Timetable),
}

/// Clocks whose ticks start runs, and what happens when runs and ticks get in each other's way.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable {
    /// At least one. Ticks of several at the same moment are one tick.
    pub clocks: Vec<Clock>,
    pub catchup: Catchup,
    pub overlap: OverlapPolicy,
    /// Longest delay between a tick and its run; see [`Timetable::delay`].
    pub jitter: Duration,
}

/// What becomes of ticks that passed while nothing could start them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Catchup {
    /// All are recorded as skipped.
    #[default]
    None,
    /// The last one runs, the others are recorded as skipped.
    Latest,
    /// All run, oldest first; with a limit only the last so many, the others are recorded as
    /// skipped.
    All { limit: Option<u32> },
}

/// What becomes of a tick while a run of the same DAG goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlapPolicy {
    /// It is recorded as skipped.
    #[default]
    Skip,
    /// It waits for the runs before it.
    Queue,
    /// It runs beside them.
    Allow,
    /// They are cancelled, then it runs.
    CancelRunning,
}

impl OverlapPolicy {
    /// Every policy and its word.
    pub const ALL: &[(&str, Self)] = &[
        ("skip", Self::Skip),
        ("queue", Self::Queue),
        ("allow", Self::Allow),
        ("cancel_running", Self::CancelRunning),
    ];
}

impl Schedule {
    /// The first tick after a moment; a stream has none.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let clocks = self.clocks().iter();
        clocks.filter_map(|clock| clock.next_after(after)).min()
    }

    /// The ticks after a moment, in order.
    pub fn ticks_after(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next_after(after), |tick| self.next_after(*tick))
    }

    /// The last tick before a moment.
    #[must_use]
    pub fn previous(&self, before: Timestamp) -> Option<Timestamp> {
        let clocks = self.clocks().iter();
        clocks.filter_map(|clock| clock.previous(before)).max()
    }

    /// The data that the run of a tick is about: from the tick before it (or the schedule's start)
    /// up to itself. Where ticks are left out by a calendar the interval reaches over them, so that
    /// intervals never leave a hole. A first tick without a start has its rule's own last
    /// interval.
    #[must_use]
    pub fn interval_ending(&self, tick: Timestamp) -> DataInterval {
        let clocks = self.clocks().iter();
        let start = self
            .previous(tick)
            .or_else(|| {
                let starts = clocks.clone().filter_map(|clock| clock.start);
                starts.filter(|start| *start < tick).min()
            })
            .or_else(|| {
                let own = clocks.map(|clock| clock.rule.previous(tick, clock.timezone));
                own.flatten().max()
            });
        DataInterval {
            start: start.unwrap_or(tick),
            end: tick,
        }
    }

    /// The last interval that is over at `now`: what a run started by hand is about. `None` for a
    /// stream and before the first tick.
    #[must_use]
    pub fn last_complete(&self, now: Timestamp) -> Option<DataInterval> {
        let just_after = now.checked_add_signed(chrono::TimeDelta::microseconds(1))?;
        let tick = self.previous(just_after)?;
        Some(self.interval_ending(tick))
    }

    /// The clocks; a stream has none.
    #[must_use]
    pub fn clocks(&self) -> &[Clock] {
        match self {
            Self::Always => &[],
            Self::Ticks(timetable) => &timetable.clocks,
        }
    }
}

impl Timetable {
    /// How long after its tick a run starts: from zero up to `jitter`, in milliseconds, the same
    /// for every tick of one seed. A steady delay spreads DAGs over time and still keeps the pace
    /// of each, and its ticks in order.
    #[must_use]
    pub fn delay(&self, seed: u64) -> Duration {
        let range = u64::try_from(self.jitter.as_millis()).unwrap_or(u64::MAX - 1) + 1;
        // One step of SplitMix64: neighbouring seeds give unrelated delays.
        let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_millis((mixed ^ (mixed >> 31)) % range)
    }
}
