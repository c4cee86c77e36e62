//! What has happened, counted.

use std::collections::BTreeMap;

use crate::model::{DagId, RunId, TaskState, Timestamp, TriggerKind};
use crate::store::tally::{AtWork, Counted, Stage, Tally, bound_of};
use crate::store::words::attempt_words;

use super::run::Run;

type Key = (DagId, Counted, String, Option<u64>);

/// How often what has happened, and how long it took.
#[derive(Debug, Default)]
pub(super) struct Tallies(BTreeMap<Key, (u64, u64)>);

impl Tallies {
    /// Counts what has become of a run.
    pub(super) fn add(&mut self, before: &Run, after: &Run) {
        let spec = &after.spec;
        let mut count = |what, word: &str, from: Timestamp, until: Timestamp| {
            let micros = (until - from).num_microseconds().unwrap_or(i64::MAX);
            let micros = u64::try_from(micros).unwrap_or(0);
            let key = (spec.dag.clone(), what, word.to_owned(), bound_of(micros));
            let (count, total) = self.0.entry(key).or_default();
            *count += 1;
            *total += micros;
        };
        for (key, row) in &after.attempts {
            if !before.attempts.contains_key(key) {
                let word = attempt_words(&row.result.outcome).0;
                count(Counted::Attempt, word, row.started, row.finished);
            }
        }
        if let (None, Some(started)) = (before.started, after.started) {
            count(Counted::Queued, "", spec.created, started);
            if spec.trigger == TriggerKind::Schedule {
                count(Counted::Late, "", spec.logical_time, started);
            }
        }
        if let (None, Some(finished)) = (before.finished, after.finished) {
            let started = after.started.unwrap_or(finished);
            count(Counted::Run, after.state.as_str(), started, finished);
        }
    }

    pub(super) fn all(&self) -> Vec<Tally> {
        let all = self.0.iter();
        let mut all: Vec<Tally> = all
            .map(|((dag, what, word, bound), (count, micros))| Tally {
                dag: dag.clone(),
                what: *what,
                word: word.clone(),
                bound: *bound,
                count: *count,
                micros: *micros,
            })
            .collect();
        all.sort();
        all
    }
}

pub(super) fn at_work(runs: &BTreeMap<RunId, Run>) -> Vec<AtWork> {
    let mut counts = BTreeMap::new();
    for run in runs.values().filter(|run| run.finished.is_none()) {
        for task in run.tasks.values() {
            let stage = match task.snapshot.state {
                TaskState::Ready => Stage::Ready,
                TaskState::RetryWait { .. } => Stage::RetryWait,
                TaskState::Running { .. } => Stage::Running,
                _ => continue,
            };
            let key = (run.spec.version.clone(), task.snapshot.id.task, stage);
            *counts.entry(key).or_default() += 1;
        }
    }
    let all = counts.into_iter();
    all.map(|((version, task, stage), count)| AtWork {
        version,
        task,
        stage,
        count,
    })
    .collect()
}
