//! DAGs whose runs nothing else can make slower: all of them take as long as one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Actor;
use super::machine::length;
use crate::engine::Limits;
use crate::model::{DagId, DatasetId, OverlapPolicy, Schedule, Task};

/// The DAGs of which every run takes as long as one that the engine has carried out, and how long.
pub(super) fn alone(actors: &[Actor], limits: &Limits) -> BTreeMap<DagId, Duration> {
    if limits.max_active_tasks.is_some() {
        return BTreeMap::new();
    }
    let read: BTreeSet<&DatasetId> = actors
        .iter()
        .flat_map(|actor| &actor.plan.after.datasets)
        .collect();
    let alone = actors.iter().filter(|actor| is_alone(actor, limits, &read));
    alone
        .filter_map(|actor| Some((actor.plan.dag.clone(), length(actor, limits)?)))
        .collect()
}

/// Whether no task can wait for a slot, none is looked at by others before the run's end, and no run
/// is ended early.
fn is_alone(actor: &Actor, limits: &Limits, read: &BTreeSet<&DatasetId>) -> bool {
    let replaces = |policy| policy == OverlapPolicy::CancelRunning;
    let timed = match &actor.plan.schedule {
        Some(Schedule::Ticks(timetable)) => !replaces(timetable.overlap),
        Some(Schedule::Always) => false,
        None => true,
    };
    let shares = |task: &Task| {
        let pool = task.pool.as_ref();
        task.concurrency.is_some() || pool.is_some_and(|(pool, _)| limits.pools.contains_key(pool))
    };
    timed
        && !replaces(actor.plan.overlap)
        && actor.dag.max_active_tasks.is_none()
        && !actor.dag.tasks.iter().any(shares)
        && !actor
            .parts
            .iter()
            .any(|part| part.writes.iter().any(|one| read.contains(one)))
}
