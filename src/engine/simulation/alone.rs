//! DAGs whose runs nothing else can make slower: all of them take as long as one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::machine::{Actor, Becomes, Part, length};
use crate::engine::Limits;
use crate::model::{
    Dag, DatasetId, OverlapPolicy, RetryPolicy, Schedule, Task, TaskIndex, TriggerRule,
};

/// The same DAGs, with one task in the place of all where nobody could tell the difference: it takes
/// as long as a whole run.
pub(super) fn shortened(actors: Vec<Actor>, limits: &Limits) -> Vec<Actor> {
    if limits.max_active_tasks.is_some() {
        return actors;
    }
    let read: BTreeSet<DatasetId> = actors
        .iter()
        .flat_map(|actor| actor.plan.after.datasets.iter().cloned())
        .collect();
    let shorter = |actor: Actor| {
        if is_alone(&actor, limits, &read) {
            short(&actor, limits).unwrap_or(actor)
        } else {
            actor
        }
    };
    actors.into_iter().map(shorter).collect()
}

/// Whether no task can wait for a slot, none is looked at by others before the run's end, and no run
/// is ended early.
fn is_alone(actor: &Actor, limits: &Limits, read: &BTreeSet<DatasetId>) -> bool {
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
        && actor.dag.tasks.len() > 1
        && !actor.dag.tasks.iter().any(shares)
        && !actor
            .parts
            .iter()
            .any(|part| part.writes.iter().any(|one| read.contains(one)))
}

/// `None`: a run of it wouldn't succeed, so that more than its length would be told.
fn short(actor: &Actor, limits: &Limits) -> Option<Actor> {
    let takes = length(actor, limits)?;
    let task = Task {
        id: actor.dag.task(TaskIndex(0)).id.clone(),
        needs: Vec::new(),
        rule: TriggerRule::default(),
        dynamic: false,
        retry: RetryPolicy::default(),
        timeout: None,
        pool: None,
        priority: 0,
        concurrency: None,
        continue_on_failure: false,
        waits: false,
    };
    Some(Actor {
        plan: actor.plan.clone(),
        dag: Arc::new(Dag {
            id: actor.dag.id.clone(),
            tasks: vec![task],
            max_active_tasks: None,
        }),
        parts: vec![Part {
            takes,
            becomes: Becomes::Run,
            writes: Vec::new(),
        }],
    })
}
