//! Why a DAG doesn't begin a run now.

use super::track::Track;
use crate::model::{DagId, DataInterval, DatasetId, RunId, Schedule, Timestamp};

/// Why a DAG doesn't begin a run now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// Nothing starts it by itself.
    NoSchedule,
    Paused,
    /// Its next tick, and when the run of it begins.
    Until {
        tick: Timestamp,
        start: Timestamp,
    },
    /// Its schedule has no tick any more.
    Over,
    /// These runs must end first; so many starts wait for that.
    Running {
        runs: Vec<RunId>,
        waiting: usize,
    },
    /// The scheduled run before has not succeeded; so many starts wait for that.
    Past {
        waiting: usize,
    },
    /// DAGs that have to succeed first, for an interval if others have for it already, and
    /// datasets that have to become newer than the last start.
    Others {
        interval: Option<DataInterval>,
        dags: Vec<DagId>,
        datasets: Vec<DatasetId>,
    },
    /// A stream that has ended is begun again then.
    Restart(Timestamp),
    /// A stream that runs.
    Streaming(Vec<RunId>),
}

impl Track {
    pub(super) fn why(&self) -> Waiting {
        if self.paused {
            return Waiting::Paused;
        }
        let runs = || self.running.iter().map(|active| active.run.clone());
        let waiting = self.memory.waiting.len();
        if waiting > 0 {
            if !self.has_room() {
                let runs = runs().collect();
                return Waiting::Running { runs, waiting };
            }
            if self.past_hinders() {
                return Waiting::Past { waiting };
            }
        }
        if !self.plan.after.is_empty() {
            return self.missing();
        }
        match &self.plan.schedule {
            None => Waiting::NoSchedule,
            Some(Schedule::Always) => match self.stream.again {
                Some(at) if self.running.is_empty() => Waiting::Restart(at),
                _ => Waiting::Streaming(runs().collect()),
            },
            Some(_) => match self.next_tick() {
                Some((tick, start)) => Waiting::Until { tick, start },
                None => Waiting::Over,
            },
        }
    }
}
