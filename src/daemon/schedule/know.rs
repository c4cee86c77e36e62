//! What the planner is told at the start, and of pauses.

use std::collections::{BTreeMap, BTreeSet};

use super::known::{self, Found};
use super::{Scheduler, Until};
use crate::engine::plan::{Active, PlanEvent};
use crate::model::{DagId, RunId, Schedule};
use crate::store::{RunStore, StoreError};

impl Scheduler {
    /// Tells the planner of every DAG, with what is remembered and with the runs that living
    /// processes carry out.
    pub(super) async fn know_all(
        &mut self,
        elsewhere: BTreeMap<RunId, DagId>,
    ) -> Result<(), StoreError> {
        let rows = self.host.patiently(u32::MAX, RunStore::schedules).await?;
        let mut memories: BTreeMap<DagId, _> = BTreeMap::new();
        for row in rows {
            if row.paused {
                self.paused.insert(row.dag.clone());
            }
            memories.insert(row.dag, row.memory);
        }
        let mut running: BTreeMap<DagId, Vec<Active>> = BTreeMap::new();
        for spec in self.host.runs() {
            let active = known::active(spec);
            running.entry(spec.dag.clone()).or_default().extend(active);
        }
        // They have begun before.
        self.host.take_told();
        let mut things = self.host.patiently(u32::MAX, known::things).await?;
        let mut ended = Vec::new();
        for event in self.look_elsewhere(elsewhere).await? {
            match event {
                PlanEvent::Began { dag, active } => running.entry(dag).or_default().push(active),
                other => ended.push(other),
            }
        }
        let mut asked = Vec::with_capacity(self.pipelines.len());
        for (dag, pipeline) in &self.pipelines {
            if self.until == Until::Once && pipeline.schedule == Some(Schedule::Always) {
                tracing::info!(%dag, "left out: a stream has no end to wait for");
                continue;
            }
            let found = Found {
                memory: memories.remove(dag).unwrap_or_default(),
                paused: self.paused.contains(dag),
                running: running.remove(dag).unwrap_or_default(),
                things: things.remove(dag).unwrap_or_default(),
            };
            asked.push((pipeline.clone(), found));
        }
        let now = self.host.now();
        let dags = asked.len();
        let mut events = self
            .host
            .patiently(u32::MAX, |store| {
                known::known(store, &self.pipelines, &asked)
            })
            .await?;
        drop(asked);
        events.extend(ended);
        let decisions = self.planner.handle(now, events);
        let paused = self
            .pipelines
            .keys()
            .filter(|dag| self.paused.contains(*dag));
        let paused = match paused.count() {
            0 => String::new(),
            count => format!(", {count} of them paused"),
        };
        let next = self.planner.next_wakeup().map_or_else(String::new, |next| {
            format!("; next at {}", next.format("%Y-%m-%dT%H:%M:%SZ"))
        });
        // From which moment on ticks count is durable before anybody relies on it.
        self.carry_out(decisions).await?;
        let s = if dags == 1 { "" } else { "s" };
        tracing::info!("scheduling {dags} DAG{s}{paused}{next}");
        Ok(())
    }

    /// What people have paused or let go on.
    pub(super) async fn pauses(&mut self) -> Result<Vec<PlanEvent>, StoreError> {
        let rows = self.host.patiently(u32::MAX, RunStore::schedules).await?;
        let paused: BTreeSet<DagId> = rows
            .into_iter()
            .filter(|row| row.paused)
            .map(|row| row.dag)
            .collect();
        let mut events = Vec::new();
        for dag in paused.symmetric_difference(&self.paused).cloned() {
            let is_paused = paused.contains(&dag);
            let what = if is_paused { "is paused" } else { "goes on" };
            tracing::info!(%dag, "{what}");
            events.push(PlanEvent::Paused {
                paused: is_paused,
                dag,
            });
        }
        self.paused = paused;
        Ok(events)
    }

    /// Calls from outside that nobody has decided about.
    pub(super) async fn take_calls(&mut self) -> Result<(), StoreError> {
        let calls = self.host.patiently(u32::MAX, RunStore::calls).await?;
        self.lanes.take_calls(calls);
        Ok(())
    }
}
