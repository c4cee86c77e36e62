//! What has happened, counted, and how long commits take: what metrics are made of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::model::{DagId, TaskIndex};

/// The bounds that durations are counted by, in microseconds: from 10 ms to a day. The schema of a
/// database has them too, so they don't change.
pub const BOUNDS: [u64; 12] = [
    10_000,
    50_000,
    250_000,
    1_000_000,
    5_000_000,
    15_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
    3_600_000_000,
    14_400_000_000,
    86_400_000_000,
];

/// The smallest bound that a duration doesn't exceed; `None`: none.
#[must_use]
pub fn bound_of(micros: u64) -> Option<u64> {
    BOUNDS.into_iter().find(|bound| micros <= *bound)
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    /// Attempts that ended, by their outcome; from start to end.
    Attempt,
    /// Runs that a schedule began; from the scheduled time to the start.
    Late,
    /// Runs that started; from their acceptance to the start.
    Queued,
    /// Runs that ended, by their state; from start to end.
    Run,
}

impl Counted {
    /// All that is counted, with the words that a database has for it.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Attempt, "attempt"),
        (Self::Late, "late"),
        (Self::Queued, "queued"),
        (Self::Run, "run"),
    ];
}

/// How often something has happened to a DAG.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tally {
    pub dag: DagId,
    pub what: Counted,
    /// The outcome of attempts, the state of runs; empty for others.
    pub word: String,
    /// One of [`BOUNDS`]; `None`: it took longer.
    pub bound: Option<u64>,
    pub count: u64,
    /// How long all of them took, in microseconds.
    pub micros: u64,
}

/// Tasks of runs that have not ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AtWork {
    /// The version that their runs are pinned to.
    pub version: String,
    pub task: TaskIndex,
    pub stage: Stage,
    pub count: u64,
}

/// What tasks at work are at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// It could begin, and waits for its turn or a slot.
    Ready,
    /// It waits until it is tried again.
    RetryWait,
    Running,
}

impl Stage {
    /// All stages, with their words.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Ready, "ready"),
        (Self::RetryWait, "retry_wait"),
        (Self::Running, "running"),
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        let mut all = Self::ALL.iter();
        let own = all.find(|(stage, _)| *stage == self);
        own.map_or("", |(_, word)| *word)
    }
}

/// The bounds that commits are counted by, in microseconds.
const COMMIT_BOUNDS: [u64; 12] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000, 30_000_000,
];

/// How long commits took, since the process began.
#[derive(Debug, Default)]
pub struct CommitTimes {
    /// Not cumulative; the last one is of those beyond all bounds.
    counts: [AtomicU64; COMMIT_BOUNDS.len() + 1],
    micros: AtomicU64,
    failed: AtomicU64,
}

impl CommitTimes {
    /// A commit has taken this long.
    pub fn count(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = COMMIT_BOUNDS.partition_point(|bound| *bound < micros);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// A commit has failed.
    pub fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Bounds in microseconds (`None`: beyond all) with the number of commits, not cumulative.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let bounds = COMMIT_BOUNDS.into_iter().map(Some);
        let counts = self.counts.iter().map(|one| one.load(Ordering::Relaxed));
        bounds.chain(std::iter::once(None)).zip(counts)
    }

    /// How long all of them took together.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }

    /// Commits that failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_the_smallest_bound_that_it_does_not_exceed() {
        for (micros, bound) in [
            (0, Some(10_000)),
            (10_000, Some(10_000)),
            (10_001, Some(50_000)),
            (86_400_000_000, Some(86_400_000_000)),
            (86_400_000_001, None),
        ] {
            assert_eq!(bound_of(micros), bound, "{micros}");
        }
    }

    #[test]
    fn commits_are_counted_once_each() {
        let times = CommitTimes::default();
        for micros in [1, 250, 251, 40_000_000] {
            times.count(Duration::from_micros(micros));
        }
        let counted: Vec<_> = times.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Some(250), 2), (Some(500), 1), (None, 1)]);
        assert_eq!(times.total(), Duration::from_micros(40_000_502));
    }
}
