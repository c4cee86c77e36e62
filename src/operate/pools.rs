//! Who uses the pools: which tasks hold their slots now, and which wait for some.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::find::look_at;
use super::mistake::Trouble;
use crate::model::{PoolId, RunId, RunState, TaskState, Timestamp};
use crate::spec::Project;
use crate::store::{RunFilter, RunStore};

/// Runs that are looked at.
const RUNS: u32 = 200;

/// The use of a pool.
#[derive(Debug, Default)]
pub struct PoolUse {
    /// Slots that are taken.
    pub taken: u32,
    pub holders: Vec<PoolUser>,
    pub waiting: Vec<PoolUser>,
}

/// A task run that holds slots, or waits for them.
#[derive(Debug)]
pub struct PoolUser {
    pub run: RunId,
    pub dag: String,
    pub task: String,
    pub item: Option<u32>,
    pub slots: u32,
    /// Since when it holds them.
    pub since: Option<Timestamp>,
}

/// The use of every pool that is used.
///
/// # Errors
/// When the store can't be read.
pub async fn pools(
    state: &Path,
    store: &dyn RunStore,
    project: &Arc<Project>,
) -> Result<BTreeMap<PoolId, PoolUse>, Trouble> {
    let mut pools: BTreeMap<PoolId, PoolUse> = BTreeMap::new();
    let unfinished = RunFilter {
        states: vec![RunState::Queued, RunState::Running, RunState::Cancelling],
        limit: RUNS,
        ..RunFilter::default()
    };
    for run in store.runs(&unfinished).await? {
        let (run, interrupted) = look_at(state, store, run).await?;
        if run.state.is_finished() || interrupted {
            continue;
        }
        let current = project.pipelines.get(&run.dag);
        let current = current.filter(|one| one.version.hash == run.version);
        let pipeline = if let Some(current) = current {
            current.clone()
        } else {
            let Some(version) = store.version(&run.version).await? else {
                continue;
            };
            let Ok(pinned) = project.pinned(&version) else {
                continue;
            };
            pinned
        };
        if pipeline.dag.tasks.iter().all(|task| task.pool.is_none()) {
            continue;
        }
        for row in store.task_runs(&run.id).await? {
            let at = row.id.task.get();
            let (Some(shape), Some(spec)) = (pipeline.dag.tasks.get(at), pipeline.tasks.get(at))
            else {
                continue;
            };
            let Some((pool, slots)) = &shape.pool else {
                continue;
            };
            let user = |since| PoolUser {
                run: run.id.clone(),
                dag: run.dag.to_string(),
                task: spec.id.to_string(),
                item: row.id.item,
                slots: *slots,
                since,
            };
            let pool = pools.entry(pool.clone()).or_default();
            match &row.state {
                TaskState::Running { started, .. } => {
                    pool.taken += slots;
                    pool.holders.push(user(Some(*started)));
                }
                TaskState::Ready => pool.waiting.push(user(None)),
                _ => {}
            }
        }
    }
    Ok(pools)
}
