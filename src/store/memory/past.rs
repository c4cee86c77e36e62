//! Which runs are of the past.

use std::collections::BTreeMap;

use crate::model::{AttemptOutcome, DagId, RunId, RunState, Timestamp};
use crate::store::{Past, RunRow, SkippedTicks, TaskTimes, precision};

use super::run::Run;

pub(super) fn past_runs(runs: &BTreeMap<RunId, Run>, past: &Past) -> Vec<RunId> {
    let own: Vec<(&RunId, &Run)> = runs
        .iter()
        .filter(|(_, run)| run.spec.dag == past.dag)
        .collect();
    let success = own.iter().rfind(|(_, run)| run.state == RunState::Success);
    let success = success.map(|(id, _)| *id);
    let kept = past.beyond.map_or(usize::MAX, |count| count as usize);
    let beyond = own.len().saturating_sub(kept);
    own.iter()
        .enumerate()
        .filter(|(place, (id, run))| {
            let old = match (run.finished, past.ended_before) {
                (Some(finished), Some(before)) => finished < before,
                _ => false,
            };
            run.finished.is_some()
                && Some(*id) != success
                && past.after.as_ref().is_none_or(|after| *id > after)
                && (old || *place < beyond)
        })
        .map(|(_, (id, _))| (*id).clone())
        .take(past.limit as usize)
        .collect()
}

pub(super) fn last_ends(runs: &BTreeMap<RunId, Run>, dags: &[DagId]) -> Vec<(DagId, RunState)> {
    let last = |dag: &DagId| {
        let last = runs.values().rfind(|run| {
            run.spec.dag == *dag && run.finished.is_some() && run.spec.trigger.is_automatic()
        });
        Some((dag.clone(), last?.state))
    };
    dags.iter().filter_map(last).collect()
}

pub(super) fn latest_runs(
    runs: &BTreeMap<RunId, Run>,
    dags: &[DagId],
    most: u32,
    ended: bool,
) -> Vec<RunRow> {
    let mut left: BTreeMap<&DagId, u32> = dags.iter().map(|dag| (dag, most)).collect();
    let mut found = Vec::new();
    for run in runs.values().rev() {
        let Some(left) = left.get_mut(&run.spec.dag) else {
            continue;
        };
        if *left > 0 && (!ended || run.finished.is_some()) {
            *left -= 1;
            found.push(run.row());
        }
    }
    found
}

pub(super) fn task_times(runs: &BTreeMap<RunId, Run>, dags: &[DagId], most: u32) -> Vec<TaskTimes> {
    let mut left: BTreeMap<&DagId, u32> = dags.iter().map(|dag| (dag, most)).collect();
    let mut found = Vec::new();
    for run in runs.values().rev() {
        let Some(left) = left.get_mut(&run.spec.dag) else {
            continue;
        };
        if *left == 0 || run.state != RunState::Success {
            continue;
        }
        *left -= 1;
        let attempts = run.attempts.values();
        let succeeded = attempts.filter(|row| row.result.outcome == AttemptOutcome::Success);
        found.push(TaskTimes {
            dag: run.spec.dag.clone(),
            version: run.spec.version.clone(),
            attempts: succeeded
                .map(|row| {
                    let took = (row.finished - row.started).to_std();
                    (row.id.task, took.unwrap_or_default())
                })
                .collect(),
        });
    }
    found
}

pub(super) fn ended_since(
    runs: &BTreeMap<RunId, Run>,
    dags: &[(DagId, Timestamp)],
    most: u32,
) -> Vec<RunRow> {
    let mut found = BTreeMap::new();
    for (dag, since) in dags {
        let since = precision::time(*since);
        let own = runs.iter().filter(|(_, run)| run.spec.dag == *dag);
        let mut ended: Vec<_> = own
            .filter_map(|(id, run)| Some(((run.finished?, id), run)))
            .filter(|((finished, _), _)| *finished > since)
            .collect();
        ended.sort_by_key(|(end, _)| *end);
        let rest = ended.len().saturating_sub(most as usize);
        found.extend(ended.into_iter().skip(rest));
    }
    found.into_values().map(Run::row).collect()
}

/// The keys of skipped ticks that are of the past, a thousand at most.
pub(super) fn past_skips(
    skipped: &BTreeMap<(DagId, Timestamp), SkippedTicks>,
    past: &Past,
) -> Vec<(DagId, Timestamp)> {
    let own: Vec<_> = skipped
        .iter()
        .filter(|((dag, _), _)| *dag == past.dag)
        .collect();
    let kept = past.beyond.map_or(usize::MAX, |count| count as usize);
    let beyond = own.len().saturating_sub(kept);
    let before = past.ended_before.map(precision::time);
    let old = |place: usize, ticks: &SkippedTicks| {
        place < beyond || before.is_some_and(|before| ticks.last < before)
    };
    let gone = own
        .into_iter()
        .enumerate()
        .filter(|(place, (_, ticks))| old(*place, ticks));
    gone.map(|(_, (key, _))| key.clone()).take(1000).collect()
}
