//! Starts that no clock makes: after other DAGs and datasets.

use super::track::Track;
use super::{Cause, Decision, Heard, Occurrence, Waiting};
use crate::model::{DagId, DataInterval, Timestamp};

/// Incomplete intervals of `after` that are remembered; older ones will hardly be completed.
const MOST_ARRIVED: usize = 1_000;

impl Track {
    /// Something that this DAG comes after has happened.
    pub(super) fn hear(&mut self, now: Timestamp, heard: &Heard, decisions: &mut Vec<Decision>) {
        let at = match heard {
            Heard::Dag { dag, at, interval } => {
                self.arrived(dag, *interval);
                *at
            }
            Heard::Dataset {
                dataset,
                at,
                interval,
            } => {
                let written = &mut self.memory.written;
                let whole = written.entry(dataset.clone()).or_insert(*interval);
                *whole = span(*whole, *interval);
                *at
            }
        };
        // Ticks are decided by their own.
        if self.plan.schedule.is_none() {
            self.memory.decided = self.memory.decided.max(Some(at));
        }
        self.start_complete(now, decisions);
    }

    fn arrived(&mut self, other: &DagId, interval: DataInterval) {
        let arrived = &mut self.memory.arrived;
        match arrived.iter_mut().find(|(known, _)| *known == interval) {
            Some((_, dags)) => {
                dags.insert(other.clone());
            }
            None => arrived.push((interval, [other.clone()].into())),
        }
        if arrived.len() > MOST_ARRIVED {
            arrived.remove(0);
        }
    }

    /// Calls for the runs that everything is there for.
    fn start_complete(&mut self, now: Timestamp, decisions: &mut Vec<Decision>) {
        let after = self.plan.after.clone();
        loop {
            let written = &self.memory.written;
            if after.is_empty() || !after.datasets.iter().all(|one| written.contains_key(one)) {
                return;
            }
            let interval = if after.dags.is_empty() {
                written.values().copied().reduce(span)
            } else {
                let arrived = &mut self.memory.arrived;
                let complete = |(_, dags): &(_, _)| after.dags.is_subset(dags);
                let at = arrived.iter().position(complete);
                at.map(|at| arrived.remove(at).0)
            };
            let Some(interval) = interval else {
                return;
            };
            self.memory.written.clear();
            let merged = after.dags.is_empty() && self.join_waiting(interval);
            if merged {
                return;
            }
            let occurrence = Occurrence {
                tick: now,
                interval_start: interval.start,
                interval_end: interval.end,
                cause: Cause::After,
            };
            self.meet(occurrence, false, decisions);
        }
    }

    /// What was written before a start that waits has begun belongs to it. `false`: none waits.
    fn join_waiting(&mut self, interval: DataInterval) -> bool {
        let mut waiting = self.memory.waiting.iter_mut();
        let Some(last) = waiting.rfind(|one| one.cause == Cause::After) else {
            return false;
        };
        widen(last, interval);
        true
    }

    /// A start that everything was there for begins now: no dataset is newer.
    pub(super) fn take_written(&mut self, occurrence: &mut Occurrence) {
        if occurrence.cause != Cause::After {
            return;
        }
        let written = std::mem::take(&mut self.memory.written);
        if self.plan.after.dags.is_empty()
            && let Some(interval) = written.into_values().reduce(span)
        {
            widen(occurrence, interval);
        }
    }

    /// What isn't named any more is of no use.
    pub(super) fn forget_others(&mut self) {
        let after = &self.plan.after;
        for (_, dags) in &mut self.memory.arrived {
            dags.retain(|dag| after.dags.contains(dag));
        }
        self.memory.arrived.retain(|(_, dags)| !dags.is_empty());
        let written = &mut self.memory.written;
        written.retain(|dataset, _| after.datasets.contains(dataset));
    }

    /// What is still to come before the DAG runs.
    pub(super) fn missing(&self) -> Waiting {
        let after = &self.plan.after;
        let latest = self.memory.arrived.last();
        let dags = after
            .dags
            .iter()
            .filter(|dag| latest.is_none_or(|(_, dags)| !dags.contains(*dag)));
        let datasets = after.datasets.iter();
        Waiting::Others {
            interval: latest.map(|(interval, _)| *interval),
            dags: dags.cloned().collect(),
            datasets: datasets
                .filter(|one| !self.memory.written.contains_key(*one))
                .cloned()
                .collect(),
        }
    }
}

fn widen(occurrence: &mut Occurrence, interval: DataInterval) {
    let whole = span(occurrence.interval(), interval);
    occurrence.interval_start = whole.start;
    occurrence.interval_end = whole.end;
}

/// From where the first begins to where the last ends.
fn span(one: DataInterval, other: DataInterval) -> DataInterval {
    DataInterval {
        start: one.start.min(other.start),
        end: one.end.max(other.end),
    }
}
