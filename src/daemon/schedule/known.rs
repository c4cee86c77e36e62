//! What the planner is told: runs and datasets as its events.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::plan::{Active, DagPlan, Heard, Memory, PlanEvent};
use crate::model::{
    DagId, DatasetId, Outcome, RunSpec, RunState, TaskState, Timestamp, TriggerKind,
};
use crate::spec::Pipeline;
use crate::store::{RunFilter, RunRow, RunStore, StoreError};

/// Runs of one DAG that are looked through for what was missed: more don't end in a downtime.
const MOST_RUNS: u32 = 500;

/// What the planner sees of a pipeline.
pub fn plan_of(pipeline: &Pipeline) -> DagPlan {
    DagPlan {
        dag: pipeline.id.clone(),
        version: pipeline.version.hash.clone(),
        schedule: pipeline.schedule.clone(),
        max_runs: pipeline.max_runs,
        overlap: pipeline.overlap,
        depends_on_past: pipeline.depends_on_past,
        after: pipeline.after.clone(),
        triggers: pipeline
            .triggers
            .iter()
            .map(|spec| spec.trigger.awaited())
            .collect(),
        deadline: pipeline.deadline,
    }
}

/// A run that has not ended, as the planner counts it.
pub fn active(spec: &RunSpec) -> Active {
    // A backfill's scheduled time is of the past from its first moment.
    let dated = spec.trigger != TriggerKind::Backfill;
    Active {
        run: spec.id.clone(),
        since: dated.then_some(spec.logical_time),
    }
}

/// A run has ended.
pub(super) fn ended(spec: &RunSpec, state: RunState, at: Timestamp) -> PlanEvent {
    PlanEvent::Ended {
        dag: spec.dag.clone(),
        run: spec.id.clone(),
        state,
        at,
        interval: spec.interval,
        scheduled: spec.trigger.is_automatic(),
        whole: spec.only.is_none(),
    }
}

/// A task of a run has succeeded and written a dataset.
pub(super) fn wrote(spec: &RunSpec, dataset: DatasetId, at: Timestamp) -> PlanEvent {
    PlanEvent::Wrote {
        dataset,
        at,
        interval: spec.interval,
    }
}

/// What was found of a DAG.
#[derive(Debug, Default)]
pub struct Found {
    pub memory: Memory,
    pub paused: bool,
    /// Its runs that have not ended.
    pub running: Vec<Active>,
    /// What outside has started runs and is still there: names and stamps.
    pub things: BTreeMap<String, String>,
}

/// A DAG is there, with what the store knows of it.
///
/// # Errors
/// When the store can't be read.
pub async fn known(
    store: &dyn RunStore,
    pipelines: &BTreeMap<DagId, Arc<Pipeline>>,
    pipeline: &Pipeline,
    found: Found,
) -> Result<PlanEvent, StoreError> {
    let last = if pipeline.depends_on_past {
        last_end(store, &pipeline.id).await?
    } else {
        None
    };
    let heard = match found.memory.decided {
        Some(since) if !pipeline.after.is_empty() => {
            heard_since(store, pipelines, pipeline, since).await?
        }
        _ => Vec::new(),
    };
    Ok(PlanEvent::Known {
        plan: plan_of(pipeline),
        memory: found.memory,
        paused: found.paused,
        running: found.running,
        last,
        heard,
        things: found.things,
    })
}

/// The things that have started runs, by DAG.
pub(super) async fn things(
    store: &dyn RunStore,
) -> Result<BTreeMap<DagId, BTreeMap<String, String>>, StoreError> {
    let mut found: BTreeMap<DagId, BTreeMap<String, String>> = BTreeMap::new();
    for thing in store.things().await? {
        let of_dag = found.entry(thing.dag).or_default();
        of_dag.insert(thing.name, thing.stamp);
    }
    Ok(found)
}

/// How the last run of a DAG that began by itself has ended; `None` when none has.
async fn last_end(store: &dyn RunStore, dag: &DagId) -> Result<Option<RunState>, StoreError> {
    let mut filter = RunFilter {
        dag: Some(dag.clone()),
        states: vec![RunState::Success, RunState::Failed, RunState::Cancelled],
        before: None,
        limit: 100,
    };
    loop {
        let rows = store.runs(&filter).await?;
        if let Some(last) = rows.iter().find(|row| row.trigger.is_automatic()) {
            return Ok(Some(last.state));
        }
        match rows.last() {
            Some(last) => filter.before = Some(last.id.clone()),
            None => return Ok(None),
        }
    }
}

/// What a DAG comes after that happened since it was last heard of: while no scheduler was there,
/// or just before the last one was killed.
async fn heard_since(
    store: &dyn RunStore,
    pipelines: &BTreeMap<DagId, Arc<Pipeline>>,
    pipeline: &Pipeline,
    since: Timestamp,
) -> Result<Vec<Heard>, StoreError> {
    let after = &pipeline.after;
    let mut heard: Vec<(Timestamp, Heard)> = Vec::new();
    for dag in &after.dags {
        for row in recent(store, dag).await? {
            let Some(at) = row.finished.filter(|at| *at > since) else {
                continue;
            };
            if row.state != RunState::Success {
                continue;
            }
            let stored = store.load(&row.id).await?;
            if stored.is_some_and(|stored| stored.spec.only.is_none()) {
                let (dag, interval) = (dag.clone(), row.interval);
                heard.push((at, Heard::Dag { dag, at, interval }));
            }
        }
    }
    let writers = pipelines.iter().filter(|_| !after.datasets.is_empty());
    for (dag, writer) in writers {
        let newer = |task: &crate::spec::TaskSpec| {
            let wanted = task
                .writes
                .iter()
                .filter(|one| after.datasets.contains(*one));
            wanted.cloned().collect::<Vec<DatasetId>>()
        };
        if writer.tasks.iter().all(|task| newer(task).is_empty()) {
            continue;
        }
        for row in recent(store, dag).await? {
            if row.finished.is_some_and(|at| at <= since) {
                continue;
            }
            for (name, at) in succeeded(store, &row).await? {
                let task = writer.tasks.iter().find(|task| task.id.as_str() == name);
                for dataset in task.map(|task| newer(task)).unwrap_or_default() {
                    if at > since {
                        let interval = row.interval;
                        heard.push((
                            at,
                            Heard::Dataset {
                                dataset,
                                at,
                                interval,
                            },
                        ));
                    }
                }
            }
        }
    }
    heard.sort_by_key(|(at, _)| *at);
    Ok(heard.into_iter().map(|(_, heard)| heard).collect())
}

async fn recent(store: &dyn RunStore, dag: &DagId) -> Result<Vec<RunRow>, StoreError> {
    let filter = RunFilter {
        dag: Some(dag.clone()),
        limit: MOST_RUNS,
        ..RunFilter::default()
    };
    store.runs(&filter).await
}

/// The tasks of a run that have succeeded, by name, and when.
async fn succeeded(
    store: &dyn RunStore,
    row: &RunRow,
) -> Result<Vec<(String, Timestamp)>, StoreError> {
    let Some(version) = store.version(&row.version).await? else {
        return Ok(Vec::new());
    };
    let rows = store.task_runs(&row.id).await?;
    let ended = rows.into_iter().filter_map(|task| match task.state {
        TaskState::Finished {
            outcome: Outcome::Success,
            at,
        } if task.id.item.is_none() => Some((version.tasks.get(task.id.task.get())?.clone(), at)),
        _ => None,
    });
    Ok(ended.collect())
}
