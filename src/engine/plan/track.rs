//! What is known of one DAG, and what follows from it.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::clockwork::{Due, MISSED, delay, due, occurrence};
use super::{Active, Cause, DagPlan, Decision, Memory, Occurrence, SkipReason};
use crate::model::{Catchup, OverlapPolicy, RunId, RunState, Schedule, Timestamp};

/// A stream that ends is begun again after this, doubled with every end up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(1);
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(5);
/// A stream that ran for so long was well: its next pause is the first again.
const WELL: TimeDelta = TimeDelta::minutes(10);
/// Starts that wait; when more come, the oldest are recorded as skipped. What was caught up on
/// purpose isn't.
const MOST_WAITING: usize = 1_000;

/// One DAG.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) plan: DagPlan,
    /// When it is to be looked at next.
    pub(super) timer: Option<Timestamp>,
    /// A moment and the first tick after it, if there is one: a DAG is looked at several times
    /// between two ticks.
    ahead: Option<(Timestamp, Option<Timestamp>)>,
    pub(super) paused: bool,
    pub(super) memory: Memory,
    /// As the store has it.
    remembered: Memory,
    pub(super) running: Vec<Active>,
    /// Runs that were decided on and have not begun yet.
    starting: u32,
    /// How the last scheduled run ended.
    last: Option<RunState>,
    pub(super) stream: Stream,
    /// The things outside that have started runs and are still there, with their stamps.
    pub(super) things: BTreeMap<String, String>,
    /// The scheduled time of the last start by something outside.
    pub(super) last_fired: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Ends in a row that came too soon.
    ends: u32,
    began: Option<Timestamp>,
    pub(super) again: Option<Timestamp>,
}

impl Track {
    pub(super) fn new(
        now: Timestamp,
        plan: DagPlan,
        memory: Memory,
        running: Vec<Active>,
        last: Option<RunState>,
    ) -> Self {
        let mut track = Self {
            timer: None,
            ahead: None,
            paused: false,
            remembered: memory.clone(),
            memory,
            running,
            starting: 0,
            last,
            stream: Stream::default(),
            things: BTreeMap::new(),
            last_fired: None,
            plan,
        };
        track.forget_troubles();
        if track.memory.decided.is_none() {
            track.memory.decided = Some(track.first_moment(now));
        }
        track
    }

    /// From where the ticks of a new DAG count: from now, or from the schedule's start when
    /// `catchup` asks for what was before.
    fn first_moment(&self, now: Timestamp) -> Timestamp {
        let Some(Schedule::Ticks(timetable)) = &self.plan.schedule else {
            return now;
        };
        if timetable.catchup == Catchup::None {
            return now;
        }
        let starts = timetable.clocks.iter().filter_map(|clock| clock.start);
        starts.min().map_or(now, |start| start.min(now))
    }

    /// Another definition. Ticks that have passed are decided by the old one; the new one has those
    /// to come.
    pub(super) fn change(&mut self, now: Timestamp, plan: DagPlan, decisions: &mut Vec<Decision>) {
        if self.plan.schedule != plan.schedule {
            self.decide(now, decisions);
            self.memory.decided = self.memory.decided.max(Some(now));
        }
        let is_stream = |plan: &DagPlan| plan.schedule == Some(Schedule::Always);
        let begun_anew = is_stream(&self.plan) && self.plan.version != plan.version;
        if begun_anew || (is_stream(&self.plan) && !is_stream(&plan)) {
            let dag = self.plan.dag.clone();
            decisions.extend(self.running.iter().map(|active| Decision::Cancel {
                dag: dag.clone(),
                run: active.run.clone(),
            }));
            self.stream = Stream::default();
        }
        self.plan = plan;
        self.ahead = None;
        self.forget_others();
        self.forget_troubles();
    }

    pub(super) fn pause(&mut self, now: Timestamp, paused: bool, decisions: &mut Vec<Decision>) {
        if self.paused == paused {
            return;
        }
        if paused {
            // What is due already is decided before.
            self.decide(now, decisions);
        } else {
            self.take_in_ticks(now, now, SkipReason::Paused, decisions);
        }
        self.paused = paused;
    }

    pub(super) fn began(&mut self, active: Active) {
        self.starting = self.starting.saturating_sub(1);
        if !self.running.iter().any(|known| known.run == active.run) {
            self.running.push(active);
        }
    }

    pub(super) fn ended(
        &mut self,
        now: Timestamp,
        run: &RunId,
        (state, scheduled): (RunState, bool),
        decisions: &mut Vec<Decision>,
    ) {
        // The moment of its deadline may have come together with its end.
        self.tell_late(now, decisions);
        self.running.retain(|active| active.run != *run);
        if scheduled {
            self.last = Some(state);
        }
        self.stream_ended(now);
    }

    pub(super) fn not_begun(&mut self, now: Timestamp) {
        self.starting = self.starting.saturating_sub(1);
        self.stream_ended(now);
    }

    fn stream_ended(&mut self, now: Timestamp) {
        if self.plan.schedule != Some(Schedule::Always) {
            return;
        }
        let well = self.stream.began.is_some_and(|began| now - began >= WELL);
        self.stream.ends = if well { 0 } else { self.stream.ends + 1 };
        let doubled = 2_i32.saturating_pow(self.stream.ends.saturating_sub(1).min(16));
        self.stream.again = Some(now + (FIRST_PAUSE * doubled).min(LONGEST_PAUSE));
    }

    /// Decides what can be decided now.
    pub(super) fn decide(&mut self, now: Timestamp, decisions: &mut Vec<Decision>) {
        if !self.paused {
            match &self.plan.schedule {
                Some(Schedule::Always) => self.stream(now, decisions),
                Some(Schedule::Ticks(_)) => {
                    self.take_in_ticks(now, now - MISSED, SkipReason::Missed, decisions);
                }
                None => {}
            }
            self.start_waiting(decisions);
        }
        self.tell_late(now, decisions);
        if self.memory != self.remembered {
            self.remembered = self.memory.clone();
            decisions.push(Decision::Remember {
                dag: self.plan.dag.clone(),
                memory: self.memory.clone(),
            });
        }
    }

    fn stream(&mut self, now: Timestamp, decisions: &mut Vec<Decision>) {
        let busy = !self.running.is_empty() || self.starting > 0;
        if busy || self.stream.again.is_some_and(|again| again > now) {
            return;
        }
        self.stream.again = None;
        self.stream.began = Some(now);
        self.starting += 1;
        decisions.push(Decision::Start {
            dag: self.plan.dag.clone(),
            occurrence: Occurrence {
                tick: now,
                interval_start: now,
                interval_end: now,
                cause: Cause::Stream,
            },
        });
    }

    /// Takes in the ticks that are due: they wait, or are skipped.
    fn take_in_ticks(
        &mut self,
        now: Timestamp,
        awake: Timestamp,
        reason: SkipReason,
        decisions: &mut Vec<Decision>,
    ) {
        let next = self.look_ahead();
        let (Some(schedule), Some(decided)) = (&self.plan.schedule, self.memory.decided) else {
            return;
        };
        let delay = delay(schedule, &self.plan.dag);
        if next.is_none_or(|next| next > now - delay) {
            return;
        }
        let Due {
            wanted,
            missed,
            last,
        } = due(schedule, decided, now - delay, awake - delay);
        let dag = self.plan.dag.clone();
        if let Some((first, last, count)) = missed {
            decisions.push(Decision::Skip {
                dag: dag.clone(),
                first,
                last,
                count,
                reason,
            });
        }
        let wanted: Vec<Occurrence> = wanted
            .into_iter()
            .map(|tick| occurrence(schedule, tick))
            .collect();
        self.memory.decided = self.memory.decided.max(last);
        for occurrence in wanted {
            let caught_up = occurrence.tick < awake - delay;
            self.meet(occurrence, caught_up, decisions);
        }
    }

    /// A start meets the runs that go on.
    pub(super) fn meet(
        &mut self,
        occurrence: Occurrence,
        caught_up: bool,
        decisions: &mut Vec<Decision>,
    ) {
        if self.paused {
            // It isn't a tick, which a pause skips, and so it isn't lost.
            self.memory.waiting.push(occurrence);
            return;
        }
        let dag = self.plan.dag.clone();
        let skip = |tick: Timestamp, reason| Decision::Skip {
            dag: dag.clone(),
            first: tick,
            last: tick,
            count: 1,
            reason,
        };
        let busy = !self.running.is_empty() || self.starting > 0 || !self.memory.waiting.is_empty();
        match self.overlap(&occurrence.cause) {
            // What was caught up on purpose isn't skipped for the one before it; and where only a
            // failure holds it back there is no run to overlap with.
            OverlapPolicy::Skip if busy && !caught_up && !self.failed_before() => {
                decisions.push(skip(occurrence.tick, SkipReason::Overlap));
                return;
            }
            OverlapPolicy::CancelRunning => {
                for waiting in std::mem::take(&mut self.memory.waiting) {
                    decisions.push(skip(waiting.tick, SkipReason::Replaced));
                }
                decisions.extend(self.running.iter().map(|active| Decision::Cancel {
                    dag: dag.clone(),
                    run: active.run.clone(),
                }));
            }
            _ => {}
        }
        if self.memory.waiting.len() >= MOST_WAITING && !caught_up {
            let oldest = self.memory.waiting.remove(0);
            decisions.push(skip(oldest.tick, SkipReason::Crowded));
        }
        self.memory.waiting.push(occurrence);
        // What has room begins at once, so that the next tick meets it.
        self.start_waiting(decisions);
    }

    fn start_waiting(&mut self, decisions: &mut Vec<Decision>) {
        while let Some(mut first) = self.memory.waiting.first().cloned() {
            if !self.has_room() || self.past_hinders() {
                return;
            }
            self.memory.waiting.remove(0);
            self.take_written(&mut first);
            self.starting += 1;
            decisions.push(Decision::Start {
                dag: self.plan.dag.clone(),
                occurrence: first,
            });
        }
    }

    pub(super) fn has_room(&self) -> bool {
        let policy = match self.memory.waiting.first() {
            Some(first) => self.overlap(&first.cause),
            None => self.overlap(&Cause::Tick),
        };
        self.free_under(policy) > 0
    }

    /// How many runs that no clock starts may begin beside those that go on.
    pub(super) fn free(&self) -> usize {
        self.free_under(self.plan.overlap)
    }

    fn free_under(&self, policy: OverlapPolicy) -> usize {
        let most = self.plan.max_runs.unwrap_or(match policy {
            OverlapPolicy::Allow => u32::MAX,
            _ => 1,
        });
        let active = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        most.saturating_sub(active.saturating_add(self.starting)) as usize
    }

    pub(super) fn past_hinders(&self) -> bool {
        let busy = self.starting > 0 || !self.running.is_empty();
        let failed = self.last.is_some_and(|last| last != RunState::Success);
        self.plan.depends_on_past && (busy || failed)
    }

    /// Whether nothing but the failure of the run before holds a start back.
    fn failed_before(&self) -> bool {
        self.running.is_empty() && self.starting == 0 && self.past_hinders()
    }

    fn overlap(&self, cause: &Cause) -> OverlapPolicy {
        match (&self.plan.schedule, cause) {
            (Some(Schedule::Ticks(timetable)), Cause::Tick) => timetable.overlap,
            _ => self.plan.overlap,
        }
    }

    pub(super) fn next_wakeup(&mut self) -> Option<Timestamp> {
        self.look_ahead();
        let start = match &self.plan.schedule {
            _ if self.paused => None,
            Some(Schedule::Always) => self.stream.again.filter(|_| self.running.is_empty()),
            _ => self.next_tick().map(|(_, start)| start),
        };
        [start, self.next_deadline()].into_iter().flatten().min()
    }

    /// The ticks after a moment, each with the moment when its run begins.
    pub(super) fn upcoming(
        &self,
        after: Option<Timestamp>,
    ) -> impl Iterator<Item = (Timestamp, Occurrence)> {
        let schedule = self.plan.schedule.iter();
        let from = schedule.zip(after.or(self.memory.decided));
        from.flat_map(|(schedule, decided)| {
            let delay = delay(schedule, &self.plan.dag);
            let ticks = schedule.ticks_after(decided);
            ticks.map(move |tick| (tick + delay, occurrence(schedule, tick)))
        })
    }

    /// The next tick, and when its run begins.
    pub(super) fn next_tick(&self) -> Option<(Timestamp, Timestamp)> {
        let schedule = self.plan.schedule.as_ref()?;
        let tick = self.first_tick()?;
        Some((tick, tick + delay(schedule, &self.plan.dag)))
    }

    /// The first tick that isn't decided, which is kept in mind.
    fn look_ahead(&mut self) -> Option<Timestamp> {
        let tick = self.first_tick();
        self.ahead = self.memory.decided.map(|decided| (decided, tick));
        tick
    }

    fn first_tick(&self) -> Option<Timestamp> {
        let decided = self.memory.decided?;
        match self.ahead {
            Some((since, tick)) if since == decided => tick,
            _ => self.plan.schedule.as_ref()?.next_after(decided),
        }
    }
}
