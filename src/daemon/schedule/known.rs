//! What the planner is told: runs and datasets as its events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::plan::{Active, DagPlan, Heard, Memory, PlanEvent};
use crate::model::{
    DagId, DatasetId, Outcome, RunId, RunSpec, RunState, TaskState, Timestamp, TriggerKind,
};
use crate::spec::Pipeline;
use crate::store::{RunRow, RunStore, StoreError};

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

/// A run that has not ended, as the planner counts it; `None`: it doesn't. A backfill has a limit of
/// its own, and takes no tick's place.
pub fn active(spec: &RunSpec) -> Option<Active> {
    (spec.trigger != TriggerKind::Backfill).then(|| Active {
        run: spec.id.clone(),
        since: Some(spec.logical_time),
    })
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

/// DAGs are there, with what the store knows of them. It is asked for all of them at once.
///
/// # Errors
/// When the store can't be read.
pub async fn known(
    store: &dyn RunStore,
    pipelines: &BTreeMap<DagId, Arc<Pipeline>>,
    asked: &[(Arc<Pipeline>, Found)],
) -> Result<Vec<PlanEvent>, StoreError> {
    let dependent = asked.iter().filter(|(one, _)| one.depends_on_past);
    let dependent: Vec<DagId> = dependent.map(|(one, _)| one.id.clone()).collect();
    let lasts = store.last_ends(&dependent).await?;
    let lasts: BTreeMap<DagId, RunState> = lasts.into_iter().collect();
    let mut past = Past::read(store, pipelines, asked).await?;
    let mut events = Vec::with_capacity(asked.len());
    for (pipeline, found) in asked {
        let heard = match found.memory.decided {
            Some(since) if !pipeline.after.is_empty() => past.heard(pipeline, since).await?,
            _ => Vec::new(),
        };
        events.push(PlanEvent::Known {
            plan: plan_of(pipeline),
            memory: found.memory.clone(),
            paused: found.paused,
            running: found.running.clone(),
            last: lasts.get(&pipeline.id).copied(),
            heard,
            things: found.things.clone(),
        });
    }
    Ok(events)
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

/// A run that another process has carried out has ended.
///
/// # Errors
/// When the store can't be read.
pub(super) async fn ended_elsewhere(
    store: &dyn RunStore,
    pipelines: &BTreeMap<DagId, Arc<Pipeline>>,
    row: &RunRow,
) -> Result<Vec<PlanEvent>, StoreError> {
    let (Some(stored), Some(at)) = (store.load(&row.id).await?, row.finished) else {
        return Ok(Vec::new());
    };
    let written = written(store, pipelines, row).await?;
    let mut events: Vec<PlanEvent> = written
        .into_iter()
        .map(|(dataset, at)| wrote(&stored.spec, dataset, at))
        .collect();
    events.push(ended(&stored.spec, row.state, at));
    Ok(events)
}

/// What DAGs come after, as far as it may have happened since they were last heard of: while no
/// scheduler was there, or just before the last one was killed.
struct Past<'a> {
    store: &'a dyn RunStore,
    pipelines: &'a BTreeMap<DagId, Arc<Pipeline>>,
    /// The runs that have ended since, and those that go on.
    runs: BTreeMap<DagId, Vec<RunRow>>,
    /// Which of them were of whole DAGs, and what they have written: found out once.
    whole: BTreeMap<RunId, bool>,
    written: BTreeMap<RunId, Vec<(DatasetId, Timestamp)>>,
}

impl<'a> Past<'a> {
    async fn read(
        store: &'a dyn RunStore,
        pipelines: &'a BTreeMap<DagId, Arc<Pipeline>>,
        asked: &[(Arc<Pipeline>, Found)],
    ) -> Result<Self, StoreError> {
        let mut since: BTreeMap<DagId, Timestamp> = BTreeMap::new();
        let mut wanted: BTreeMap<&DatasetId, Timestamp> = BTreeMap::new();
        for (pipeline, found) in asked {
            let Some(decided) = found.memory.decided else {
                continue;
            };
            for dag in &pipeline.after.dags {
                let at = since.entry(dag.clone()).or_insert(decided);
                *at = decided.min(*at);
            }
            for dataset in &pipeline.after.datasets {
                let at = wanted.entry(dataset).or_insert(decided);
                *at = decided.min(*at);
            }
        }
        let mut writers = BTreeSet::new();
        for (dag, pipeline) in pipelines.iter().filter(|_| !wanted.is_empty()) {
            let written = pipeline.tasks.iter().flat_map(|task| &task.writes);
            for decided in written.filter_map(|dataset| wanted.get(dataset)) {
                let at = since.entry(dag.clone()).or_insert(*decided);
                *at = (*decided).min(*at);
                writers.insert(dag);
            }
        }
        let since: Vec<(DagId, Timestamp)> = since.into_iter().collect();
        let mut rows = store.ended_since(&since, MOST_RUNS).await?;
        if !writers.is_empty() {
            // A task may have written although its run goes on.
            let going = store.owners().await?.into_iter();
            let going = going.filter(|(_, _, dag)| writers.contains(dag));
            let going: Vec<RunId> = going.map(|(_, run, _)| run).collect();
            rows.extend(store.runs_by_id(&going).await?);
        }
        let mut runs: BTreeMap<DagId, Vec<RunRow>> = BTreeMap::new();
        for row in rows {
            let known = runs.entry(row.dag.clone()).or_default();
            // It may have ended between the two questions.
            if known.iter().all(|other| other.id != row.id) {
                known.push(row);
            }
        }
        Ok(Self {
            store,
            pipelines,
            runs,
            whole: BTreeMap::new(),
            written: BTreeMap::new(),
        })
    }

    /// What a DAG comes after that happened since, in its order.
    async fn heard(
        &mut self,
        pipeline: &Pipeline,
        since: Timestamp,
    ) -> Result<Vec<Heard>, StoreError> {
        let after = &pipeline.after;
        let mut heard: Vec<(Timestamp, Heard)> = Vec::new();
        for dag in &after.dags {
            for row in self.runs.get(dag).into_iter().flatten() {
                let Some(at) = row.finished.filter(|at| *at > since) else {
                    continue;
                };
                if row.state != RunState::Success {
                    continue;
                }
                if !self.whole.contains_key(&row.id) {
                    let stored = self.store.load(&row.id).await?;
                    let whole = stored.is_some_and(|stored| stored.spec.only.is_none());
                    self.whole.insert(row.id.clone(), whole);
                }
                if self.whole.get(&row.id) == Some(&true) {
                    let (dag, interval) = (dag.clone(), row.interval);
                    heard.push((at, Heard::Dag { dag, at, interval }));
                }
            }
        }
        let writers = self.pipelines.iter().filter(|(_, writer)| {
            let mut written = writer.tasks.iter().flat_map(|task| &task.writes);
            !after.datasets.is_empty() && written.any(|one| after.datasets.contains(one))
        });
        for (dag, _) in writers {
            for row in self.runs.get(dag).into_iter().flatten() {
                if row.finished.is_some_and(|at| at <= since) {
                    continue;
                }
                if !self.written.contains_key(&row.id) {
                    let written = written(self.store, self.pipelines, row).await?;
                    self.written.insert(row.id.clone(), written);
                }
                for (dataset, at) in self.written.get(&row.id).into_iter().flatten() {
                    if *at > since && after.datasets.contains(dataset) {
                        let (dataset, at, interval) = (dataset.clone(), *at, row.interval);
                        let written = Heard::Dataset {
                            dataset,
                            at,
                            interval,
                        };
                        heard.push((at, written));
                    }
                }
            }
        }
        heard.sort_by_key(|(at, _)| *at);
        Ok(heard.into_iter().map(|(_, heard)| heard).collect())
    }
}

/// The datasets that a run's tasks have written, as the DAG is defined now, and when.
async fn written(
    store: &dyn RunStore,
    pipelines: &BTreeMap<DagId, Arc<Pipeline>>,
    row: &RunRow,
) -> Result<Vec<(DatasetId, Timestamp)>, StoreError> {
    let writers = pipelines.get(&row.dag).map(|pipeline| &pipeline.tasks);
    let writers = writers.into_iter().flatten();
    let writers: Vec<_> = writers.filter(|task| !task.writes.is_empty()).collect();
    if writers.is_empty() {
        return Ok(Vec::new());
    }
    let Some(version) = store.version(&row.version).await? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for task in store.task_runs(&row.id).await? {
        let TaskState::Finished {
            outcome: Outcome::Success,
            at,
        } = task.state
        else {
            continue;
        };
        let name = version.tasks.get(task.id.task.get());
        let Some(name) = name.filter(|_| task.id.item.is_none()) else {
            continue;
        };
        let task = writers.iter().find(|task| task.id.as_str() == name);
        let datasets = task.into_iter().flat_map(|task| &task.writes);
        found.extend(datasets.map(|dataset| (dataset.clone(), at)));
    }
    Ok(found)
}
