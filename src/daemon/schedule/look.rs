//! The planner as a daemon would have it now, for those who ask and don't act.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::known::{self, Found};
use crate::engine::plan::{Active, Decision, Planner};
use crate::model::{DagId, RunId, Timestamp};
use crate::spec::Pipeline;
use crate::store::{RunStore, ScheduleRow, StoreError};

/// The planner, and what it would decide at this moment: what a daemon hasn't done yet.
#[derive(Debug)]
pub struct Look {
    pub planner: Planner,
    pub due: Vec<Decision>,
}

/// Rebuilds the planner from what the store knows; `None`: nothing yet.
///
/// # Errors
/// When the store can't be read.
pub async fn look(
    store: Option<&dyn RunStore>,
    pipelines: &BTreeMap<DagId, Arc<Pipeline>>,
    now: Timestamp,
) -> Result<Look, StoreError> {
    let mut planner = Planner::new();
    let mut rows: BTreeMap<DagId, ScheduleRow> = BTreeMap::new();
    let mut running: BTreeMap<DagId, Vec<Active>> = BTreeMap::new();
    let nothing = crate::store::MemoryStore::new();
    let store = store.unwrap_or(&nothing);
    for row in store.schedules().await? {
        rows.insert(row.dag.clone(), row);
    }
    let unfinished = store.owners().await?.into_iter();
    let unfinished: Vec<RunId> = unfinished
        .filter_map(|(_, run, dag)| pipelines.contains_key(&dag).then_some(run))
        .collect();
    if !unfinished.is_empty() {
        for spec in store.specs(&unfinished).await? {
            let active = known::active(&spec);
            running.entry(spec.dag).or_default().extend(active);
        }
    }
    let mut asked = Vec::with_capacity(pipelines.len());
    for (dag, pipeline) in pipelines {
        let row = rows.remove(dag);
        let found = Found {
            paused: row.as_ref().is_some_and(|row| row.paused),
            memory: row.map(|row| row.memory).unwrap_or_default(),
            running: running.remove(dag).unwrap_or_default(),
            // Nothing is fired here.
            things: BTreeMap::new(),
        };
        asked.push((pipeline.clone(), found));
    }
    let events = known::known(store, pipelines, &asked).await?;
    let due = planner.handle(now, events);
    Ok(Look { planner, due })
}
