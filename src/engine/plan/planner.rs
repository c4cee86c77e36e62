//! The planner itself: an event in, its decisions out.

use std::collections::{BTreeMap, BTreeSet};

use super::track::Track;
use super::{Active, DagPlan, Decision, Heard, Key, Occurrence, PlanEvent, Trouble, Waiting};
use crate::model::{DagId, DatasetId, RunState, Timestamp};

/// Decides when runs begin by themselves.
///
/// It is deterministic and total: events about unknown DAGs change nothing.
#[derive(Debug, Default)]
pub struct Planner {
    tracks: BTreeMap<DagId, Track>,
    /// When a DAG has to be looked at although nothing happens.
    timers: BTreeSet<(Timestamp, DagId)>,
    /// Which DAGs come after another.
    listeners: BTreeMap<DagId, BTreeSet<DagId>>,
    /// Which DAGs come after a dataset.
    readers: BTreeMap<DatasetId, BTreeSet<DagId>>,
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
                track.timer = track.next_wakeup();
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

    /// The ticks of a DAG after a moment (`None`: those that aren't decided yet), each with the
    /// moment when its run begins; none of a stream, and none of a DAG that is paused.
    pub fn upcoming(
        &self,
        dag: &DagId,
        after: Option<Timestamp>,
    ) -> impl Iterator<Item = (Timestamp, Occurrence)> {
        let track = self.tracks.get(dag).filter(|track| !track.paused);
        track
            .into_iter()
            .flat_map(move |track| track.upcoming(after))
    }

    /// Whether a person has paused a DAG.
    #[must_use]
    pub fn is_paused(&self, dag: &DagId) -> bool {
        self.tracks.get(dag).is_some_and(|track| track.paused)
    }

    /// The runs of a DAG that have not ended.
    pub fn running(&self, dag: &DagId) -> impl Iterator<Item = &Active> {
        let track = self.tracks.get(dag);
        track.into_iter().flat_map(|track| &track.running)
    }

    /// What is known of a DAG's definition.
    #[must_use]
    pub fn plan(&self, dag: &DagId) -> Option<&DagPlan> {
        self.tracks.get(dag).map(|track| &track.plan)
    }

    /// Whether something outside has started its run already.
    #[must_use]
    pub fn has_fired(&self, dag: &DagId, key: &Key) -> bool {
        let track = self.tracks.get(dag);
        track.is_some_and(|track| track.has_fired(key))
    }

    /// How many firings of a DAG can be decided on now: what can't is best left where it is.
    #[must_use]
    pub fn takes(&self, dag: &DagId) -> usize {
        self.tracks.get(dag).map_or(0, Track::takes)
    }

    /// The names of the things that have started runs of a DAG and are still there.
    pub fn things(&self, dag: &DagId) -> impl Iterator<Item = &str> {
        let track = self.tracks.get(dag).into_iter();
        track.flat_map(|track| track.things.keys().map(String::as_str))
    }

    /// How far a DAG has come in streams of messages: the number of the next one of each.
    #[must_use]
    pub fn places(&self, dag: &DagId) -> BTreeMap<String, i64> {
        let track = self.tracks.get(dag);
        track.map_or_else(BTreeMap::new, |track| track.memory.places.clone())
    }

    /// What the triggers of a DAG can't look at, by their words.
    pub fn troubles(&self, dag: &DagId) -> impl Iterator<Item = (&str, &Trouble)> {
        let track = self.tracks.get(dag).into_iter();
        let troubles = track.flat_map(|track| &track.memory.troubles);
        troubles.map(|(trigger, trouble)| (trigger.as_str(), trouble))
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
                heard,
                things,
            } => {
                let dag = plan.dag.clone();
                if self.tracks.contains_key(&dag) {
                    self.forget_links(&dag);
                }
                for other in &plan.after.dags {
                    let listeners = self.listeners.entry(other.clone()).or_default();
                    listeners.insert(dag.clone());
                }
                for dataset in &plan.after.datasets {
                    let readers = self.readers.entry(dataset.clone()).or_default();
                    readers.insert(dag.clone());
                }
                if let Some(track) = self.tracks.get_mut(&dag) {
                    track.change(now, plan, decisions);
                } else {
                    let mut track = Track::new(now, plan, memory, running, last);
                    track.paused = paused;
                    track.things = things;
                    for heard in &heard {
                        track.hear(now, heard, decisions);
                    }
                    self.tracks.insert(dag.clone(), track);
                }
                touched.insert(dag);
            }
            PlanEvent::Gone { dag } => {
                self.forget_links(&dag);
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
            PlanEvent::Began { dag, active } => {
                if let Some(track) = self.tracks.get_mut(&dag) {
                    track.began(active);
                    touched.insert(dag);
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
                at,
                interval,
                scheduled,
                whole,
            } => {
                if let Some(track) = self.tracks.get_mut(&dag) {
                    track.ended(now, &run, (state, scheduled), decisions);
                    touched.insert(dag.clone());
                }
                if state != RunState::Success || !whole {
                    return;
                }
                let listeners = self.listeners.get(&dag).cloned().unwrap_or_default();
                let heard = Heard::Dag { dag, at, interval };
                self.tell(now, &heard, listeners, touched, decisions);
            }
            PlanEvent::Wrote {
                dataset,
                at,
                interval,
            } => {
                let readers = self.readers.get(&dataset).cloned().unwrap_or_default();
                let heard = Heard::Dataset {
                    dataset,
                    at,
                    interval,
                };
                self.tell(now, &heard, readers, touched, decisions);
            }
            PlanEvent::Fired { dag, keys, firing } => {
                self.of(dag, touched, |track| {
                    track.fired(now, &keys, firing, decisions);
                });
            }
            PlanEvent::Vanished { dag, names } => {
                self.of(dag, touched, |track| track.vanished(names, decisions));
            }
            PlanEvent::Stands { dag, stream, next } => {
                self.of(dag, touched, |track| track.stands(stream, next));
            }
            PlanEvent::Trouble {
                dag,
                trigger,
                message,
            } => {
                self.of(dag, touched, |track| track.trouble(now, trigger, message));
            }
            PlanEvent::Wakeup => {}
        }
    }

    fn of(&mut self, dag: DagId, touched: &mut BTreeSet<DagId>, change: impl FnOnce(&mut Track)) {
        if let Some(track) = self.tracks.get_mut(&dag) {
            change(track);
            touched.insert(dag);
        }
    }

    fn tell(
        &mut self,
        now: Timestamp,
        heard: &Heard,
        listeners: BTreeSet<DagId>,
        touched: &mut BTreeSet<DagId>,
        decisions: &mut Vec<Decision>,
    ) {
        for listener in listeners {
            if let Some(track) = self.tracks.get_mut(&listener) {
                track.hear(now, heard, decisions);
                touched.insert(listener);
            }
        }
    }

    fn forget_links(&mut self, dag: &DagId) {
        self.listeners.retain(|_, listeners| {
            listeners.remove(dag);
            !listeners.is_empty()
        });
        self.readers.retain(|_, readers| {
            readers.remove(dag);
            !readers.is_empty()
        });
    }
}
