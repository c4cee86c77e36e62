//! The planner itself: an event in, its decisions out.

use std::collections::{BTreeMap, BTreeSet};

use super::track::Track;
use super::{DagPlan, Decision, PlanEvent, Waiting};
use crate::model::{DagId, RunState, Timestamp};

/// Decides when runs begin by themselves.
///
/// It is deterministic and total: events about unknown DAGs change nothing.
#[derive(Debug, Default)]
pub struct Planner {
    tracks: BTreeMap<DagId, Track>,
    /// When a DAG has to be looked at although nothing happens.
    timers: BTreeSet<(Timestamp, DagId)>,
    /// Which DAGs wait for the runs of another.
    listeners: BTreeMap<DagId, BTreeSet<DagId>>,
}

impl Planner {
    /// A planner without DAGs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what happened and returns what is to be done. The decisions of one call belong
    /// into one transaction.
    pub fn handle(
        &mut self,
        now: Timestamp,
        events: impl IntoIterator<Item = PlanEvent>,
    ) -> Vec<Decision> {
        let mut touched = BTreeSet::new();
        let mut decisions = Vec::new();
        for event in events {
            self.take_in(now, event, &mut touched, &mut decisions);
        }
        while let Some((at, dag)) = self.timers.first().cloned() {
            if at > now {
                break;
            }
            self.timers.remove(&(at, dag.clone()));
            touched.insert(dag);
        }
        for dag in touched {
            if let Some(track) = self.tracks.get_mut(&dag) {
                let timer = track.timer.take();
                if let Some(at) = timer {
                    self.timers.remove(&(at, dag.clone()));
                }
                track.decide(now, &mut decisions);
                track.timer = track.next_wakeup(now);
                if let Some(at) = track.timer {
                    self.timers.insert((at, dag));
                }
            }
        }
        decisions
    }

    /// When something will be due although nothing happens.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Why a DAG doesn't begin a run now; `None` when it isn't known.
    #[must_use]
    pub fn why(&self, dag: &DagId) -> Option<Waiting> {
        self.tracks.get(dag).map(Track::why)
    }

    /// What is known of a DAG's definition.
    #[must_use]
    pub fn plan(&self, dag: &DagId) -> Option<&DagPlan> {
        self.tracks.get(dag).map(|track| &track.plan)
    }

    fn take_in(
        &mut self,
        now: Timestamp,
        event: PlanEvent,
        touched: &mut BTreeSet<DagId>,
        decisions: &mut Vec<Decision>,
    ) {
        match event {
            PlanEvent::Known {
                plan,
                memory,
                paused,
                running,
                last,
            } => {
                let dag = plan.dag.clone();
                self.forget_listener(&dag);
                for other in &plan.after {
                    let listeners = self.listeners.entry(other.clone()).or_default();
                    listeners.insert(dag.clone());
                }
                if let Some(track) = self.tracks.get_mut(&dag) {
                    track.change(now, plan, decisions);
                } else {
                    let mut track = Track::new(now, plan, memory, running, last);
                    track.paused = paused;
                    self.tracks.insert(dag.clone(), track);
                }
                touched.insert(dag);
            }
            PlanEvent::Gone { dag } => {
                self.forget_listener(&dag);
                if let Some(track) = self.tracks.remove(&dag)
                    && let Some(at) = track.timer
                {
                    self.timers.remove(&(at, dag));
                }
            }
            PlanEvent::Paused { dag, paused } => {
                if let Some(track) = self.tracks.get_mut(&dag) {
                    track.pause(now, paused, decisions);
                    touched.insert(dag);
                }
            }
            PlanEvent::Began { dag, run } => {
                if let Some(track) = self.tracks.get_mut(&dag) {
                    track.began(run);
                }
            }
            PlanEvent::NotBegun { dag } => {
                if let Some(track) = self.tracks.get_mut(&dag) {
                    track.not_begun(now);
                    touched.insert(dag);
                }
            }
            PlanEvent::Ended {
                dag,
                run,
                state,
                interval,
                scheduled,
            } => {
                if let Some(track) = self.tracks.get_mut(&dag) {
                    track.ended(now, &run, state, scheduled);
                    touched.insert(dag.clone());
                }
                if state != RunState::Success {
                    return;
                }
                for listener in self.listeners.get(&dag).cloned().unwrap_or_default() {
                    if let Some(track) = self.tracks.get_mut(&listener) {
                        track.arrived(&dag, interval);
                        touched.insert(listener);
                    }
                }
            }
            PlanEvent::Wakeup => {}
        }
    }

    fn forget_listener(&mut self, dag: &DagId) {
        self.listeners.retain(|_, listeners| {
            listeners.remove(dag);
            !listeners.is_empty()
        });
    }
}
