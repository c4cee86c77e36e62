//! Which runs are of the past.

use std::collections::BTreeMap;

use crate::model::{RunId, RunState};
use crate::store::Past;

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
