//! Starts by what happens outside: each thing starts one run once.

use chrono::TimeDelta;

use super::track::Track;
use super::{Cause, Decision, Firing, Key, Occurrence, Trouble};
use crate::model::{DataInterval, OverlapPolicy, Schedule, Timestamp};

/// Calls that are remembered.
const MOST_CALLS: usize = 1_000;
/// Starts that are decided on in one go where nothing makes them wait.
const AT_ONCE: usize = 100;

impl Track {
    /// Whether something has started its run already, or is on its way.
    pub(super) fn has_fired(&self, key: &Key) -> bool {
        match key {
            Key::Thing { name, stamp } => self.things.get(name) == Some(stamp),
            Key::Place { stream, number } => {
                let next = self.memory.places.get(stream);
                next.is_some_and(|next| next > number)
            }
            Key::Call(call) => self.memory.fired.contains(call),
        }
    }

    /// How many firings it can decide on now. What it can't is best left outside: it is still there
    /// when there is room, in a pause and after a crash.
    pub(super) fn takes(&self) -> usize {
        if self.paused || self.plan.schedule == Some(Schedule::Always) {
            return 0;
        }
        let waiting = self.memory.waiting.len();
        match self.plan.overlap {
            OverlapPolicy::Skip | OverlapPolicy::CancelRunning => AT_ONCE,
            OverlapPolicy::Queue | OverlapPolicy::Allow if self.past_hinders() => 0,
            OverlapPolicy::Queue | OverlapPolicy::Allow => {
                self.free().saturating_sub(waiting).min(AT_ONCE)
            }
        }
    }

    /// Something outside calls for a run.
    pub(super) fn fired(
        &mut self,
        now: Timestamp,
        keys: &[Key],
        firing: Firing,
        decisions: &mut Vec<Decision>,
    ) {
        // A stream runs anyway.
        if self.plan.schedule == Some(Schedule::Always) {
            return;
        }
        let known = !keys.is_empty() && keys.iter().all(|key| self.has_fired(key));
        for key in keys {
            self.keep(key, decisions);
        }
        if known {
            return;
        }
        // What a run by hand would be about.
        let schedule = self.plan.schedule.as_ref();
        let interval = schedule.and_then(|schedule: &Schedule| schedule.last_complete(now));
        let interval = interval.unwrap_or(DataInterval {
            start: now,
            end: now,
        });
        // Each has a scheduled time of its own, by which skips and deadlines are told apart.
        let after_last = self
            .last_fired
            .map(|last| last + TimeDelta::microseconds(1));
        let tick = after_last.map_or(now, |least| least.max(now));
        self.last_fired = Some(tick);
        let occurrence = Occurrence {
            tick,
            interval_start: interval.start,
            interval_end: interval.end,
            cause: Cause::Fired(firing),
        };
        self.meet(occurrence, false, decisions);
    }

    fn keep(&mut self, key: &Key, decisions: &mut Vec<Decision>) {
        let dag = || self.plan.dag.clone();
        if let Key::Call(call) = key {
            // Whoever ordered it again is answered, too.
            decisions.push(Decision::Answered {
                dag: dag(),
                call: call.clone(),
            });
        }
        if self.has_fired(key) {
            return;
        }
        match key {
            Key::Thing { name, stamp } => {
                decisions.push(Decision::Keep {
                    dag: dag(),
                    name: name.clone(),
                    stamp: stamp.clone(),
                });
                self.things.insert(name.clone(), stamp.clone());
            }
            Key::Place { stream, number } => {
                self.memory.places.insert(stream.clone(), number + 1);
            }
            Key::Call(call) => {
                let fired = &mut self.memory.fired;
                if fired.len() >= MOST_CALLS {
                    fired.remove(0);
                }
                fired.push(call.clone());
            }
        }
    }

    /// Things that are gone may come again.
    pub(super) fn vanished(&mut self, names: Vec<String>, decisions: &mut Vec<Decision>) {
        for name in names {
            if self.things.remove(&name).is_some() {
                let dag = self.plan.dag.clone();
                decisions.push(Decision::Forget { dag, name });
            }
        }
    }

    pub(super) fn stands(&mut self, stream: String, next: i64) {
        self.memory.places.entry(stream).or_insert(next);
    }

    pub(super) fn trouble(&mut self, now: Timestamp, trigger: String, message: Option<String>) {
        let troubles = &mut self.memory.troubles;
        match message {
            None => _ = troubles.remove(&trigger),
            Some(message) => {
                let known = troubles.get(&trigger).map(|trouble| trouble.since);
                let since = known.unwrap_or(now);
                troubles.insert(trigger, Trouble { since, message });
            }
        }
    }

    /// The troubles of triggers that it doesn't have any more are none.
    pub(super) fn forget_troubles(&mut self) {
        let triggers = &self.plan.triggers;
        let troubles = &mut self.memory.troubles;
        troubles.retain(|trigger, _| triggers.contains(trigger));
    }
}
