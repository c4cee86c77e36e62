//! Runs that other processes carry out, and those that such processes have left.
//!
//! Who begins or ends a run rings the daemon's bell. What happened then is read from the store: the
//! runs that have not ended, which are few, and those that were begun since the last look.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::{Scheduler, known};
use crate::engine::plan::{Active, PlanEvent};
use crate::model::{DagId, RunId, RunState, TriggerKind};
use crate::store::{RunStore, StoreError};

/// A run is in the store later than its id says, by as long as a commit may take.
const LATEST_COMMIT: TimeDelta = TimeDelta::minutes(1);

/// What is known of runs elsewhere.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    /// Runs that go on, with their DAGs.
    going: BTreeMap<RunId, DagId>,
    /// Runs that were begun lately and have been told of.
    told: BTreeSet<RunId>,
    /// Every run before it has been told of.
    since: Option<RunId>,
}

impl Scheduler {
    /// Takes up what is ours and isn't here, and what processes that ended have left. Gives the
    /// runs that living processes carry out.
    pub(super) async fn take_up_runs(&mut self) -> Result<BTreeMap<RunId, DagId>, StoreError> {
        let mut elsewhere = BTreeMap::new();
        let state = self.host.project().places.state.clone();
        let here: BTreeSet<RunId> = self.host.runs().map(|spec| spec.id.clone()).collect();
        let own = self.host.owner().clone();
        let owners = self.host.patiently(u32::MAX, RunStore::owners).await?;
        for (owner, run, dag) in owners {
            let ours = owner == own;
            if here.contains(&run) {
                continue;
            }
            if !ours && crate::daemon::is_alive(&state, &owner) {
                elsewhere.insert(run, dag);
                continue;
            }
            let mut taken = self
                .host
                .patiently(u32::MAX, |store| store.adopt(&owner, &own, Some(&run)))
                .await?;
            if taken.is_empty() {
                // It may be ours by a call whose answer was lost.
                taken = self
                    .host
                    .patiently(u32::MAX, |store| store.adopt(&own, &own, Some(&run)))
                    .await?;
            }
            for stored in taken {
                if stored.state.is_finished() {
                    continue;
                }
                let is_new = stored.state == RunState::Queued;
                match self.host.resume(stored).await {
                    Ok(()) if is_new => {}
                    Ok(()) => tracing::info!(%run, %dag, "goes on after an interruption"),
                    Err(reason) => tracing::error!(%run, %dag, %reason, "can't go on"),
                }
            }
        }
        self.host.take_notices().await?;
        Ok(elsewhere)
    }

    /// What runs elsewhere have done since the last look, with those that go on now. Their own
    /// processes look after their deadlines.
    pub(super) async fn look_elsewhere(
        &mut self,
        going: BTreeMap<RunId, DagId>,
    ) -> Result<Vec<PlanEvent>, StoreError> {
        let own = self.host.owner().clone();
        let bound = RunId::generate(self.host.now() - LATEST_COMMIT, 0);
        // At the first look the past is asked for otherwise.
        let mut rows = match &self.elsewhere.since {
            Some(since) => {
                self.host
                    .patiently(u32::MAX, |store| store.begun_elsewhere(&own, since))
                    .await?
            }
            None => Vec::new(),
        };
        rows.retain(|row| !self.elsewhere.told.contains(&row.id));
        let seen: BTreeSet<&RunId> = rows.iter().map(|row| &row.id).collect();
        let left = self.elsewhere.going.keys().chain(going.keys());
        let left: BTreeSet<RunId> = left.filter(|run| !seen.contains(run)).cloned().collect();
        let left: Vec<RunId> = left.into_iter().collect();
        let older = self
            .host
            .patiently(u32::MAX, |store| store.runs_by_id(&left))
            .await?;
        rows.extend(older);
        rows.sort_by_key(|row| row.finished);
        let mut events = Vec::new();
        for row in &rows {
            let known = self.elsewhere.going.contains_key(&row.id);
            let counts = row.trigger != TriggerKind::Backfill;
            if !known && counts {
                let (run, dag) = (row.id.clone(), row.dag.clone());
                let active = Active { run, since: None };
                events.push(PlanEvent::Began { dag, active });
            }
            if row.state.is_finished() {
                let ended = self.host.patiently(u32::MAX, |store| {
                    known::ended_elsewhere(store, &self.pipelines, row)
                });
                events.extend(ended.await?);
                self.elsewhere.going.remove(&row.id);
                self.elsewhere.told.insert(row.id.clone());
            } else if row.owner == own {
                // It was taken over, and is told of as a run of this process.
                self.elsewhere.going.remove(&row.id);
            } else {
                let (run, dag) = (row.id.clone(), row.dag.clone());
                self.elsewhere.going.insert(run, dag);
            }
        }
        // A clock that is set back makes nothing new again.
        let since = self
            .elsewhere
            .since
            .take()
            .map_or(bound.clone(), |since| since.max(bound));
        self.elsewhere.told.retain(|run| *run >= since);
        self.elsewhere.since = Some(since);
        Ok(events)
    }
}
