//! What is known of one DAG, and what follows from it.

use chrono::TimeDelta;

use super::clockwork::{Due, MISSED, delay, due, occurrence};
use super::{DagPlan, Decision, Memory, Occurrence, SkipReason, Waiting};
use crate::model::{
    Catchup, DagId, DataInterval, OverlapPolicy, RunId, RunState, Schedule, Timestamp,
};

/// A stream that ends is begun again after this, doubled with every end up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(1);
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(5);
/// A stream that ran for so long was well: its next pause is the first again.
const WELL: TimeDelta = TimeDelta::minutes(10);
/// Incomplete intervals of `after` that are remembered; older ones will hardly be completed.
const MOST_ARRIVED: usize = 1_000;

/// One DAG.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) plan: DagPlan,
    /// When it is to be looked at next.
    pub(super) timer: Option<Timestamp>,
    pub(super) paused: bool,
    memory: Memory,
    /// As the store has it.
    remembered: Memory,
    running: Vec<RunId>,
    /// Runs that were decided on and have not begun yet.
    starting: u32,
    /// How the last scheduled run ended.
    last: Option<RunState>,
    stream: Stream,
}

#[derive(Debug, Default)]
struct Stream {
    /// Ends in a row that came too soon.
    ends: u32,
    began: Option<Timestamp>,
    again: Option<Timestamp>,
}

impl Track {
    pub(super) fn new(
        now: Timestamp,
        plan: DagPlan,
        memory: Memory,
        running: Vec<RunId>,
        last: Option<RunState>,
    ) -> Self {
        let mut track = Self {
            timer: None,
            paused: false,
            remembered: memory.clone(),
            memory,
            running,
            starting: 0,
            last,
            stream: Stream::default(),
            plan,
        };
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
            decisions.extend(self.running.iter().map(|run| Decision::Cancel {
                dag: dag.clone(),
                run: run.clone(),
            }));
            self.stream = Stream::default();
        }
        self.plan = plan;
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

    pub(super) fn began(&mut self, run: RunId) {
        self.starting = self.starting.saturating_sub(1);
        if !self.running.contains(&run) {
            self.running.push(run);
        }
    }

    pub(super) fn ended(&mut self, now: Timestamp, run: &RunId, state: RunState, scheduled: bool) {
        self.running.retain(|running| running != run);
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

    /// A DAG that this one waits for has succeeded for an interval.
    pub(super) fn arrived(&mut self, other: &DagId, interval: DataInterval) {
        let arrived = &mut self.memory.arrived;
        match arrived.iter_mut().find(|(known, _)| *known == interval) {
            Some((_, dags)) => {
                dags.insert(other.clone());
            }
            None => arrived.push((interval, [other.clone()].into())),
        }
        if arrived.len() > MOST_ARRIVED {
            arrived.remove(0);
        }
        let after = &self.plan.after;
        let complete = arrived.iter().position(|(_, dags)| after.is_subset(dags));
        if let Some(at) = complete {
            let (interval, _) = arrived.remove(at);
            self.memory.waiting.push(Occurrence {
                tick: interval.end,
                interval_start: interval.start,
                interval_end: interval.end,
            });
        }
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
            },
            stream: true,
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
        let (Some(schedule), Some(decided)) = (&self.plan.schedule, self.memory.decided) else {
            return;
        };
        let delay = delay(schedule, &self.plan.dag);
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

    /// A tick meets the runs that go on.
    fn meet(&mut self, occurrence: Occurrence, caught_up: bool, decisions: &mut Vec<Decision>) {
        let dag = self.plan.dag.clone();
        let skip = |tick: Timestamp, reason| Decision::Skip {
            dag: dag.clone(),
            first: tick,
            last: tick,
            count: 1,
            reason,
        };
        let busy = !self.running.is_empty() || self.starting > 0 || !self.memory.waiting.is_empty();
        match self.overlap() {
            // What was caught up on purpose isn't skipped for the one before it.
            OverlapPolicy::Skip if busy && !caught_up => {
                // Unless something else holds it back: then there is no run to overlap with.
                decisions.push(skip(occurrence.tick, SkipReason::Overlap));
                return;
            }
            OverlapPolicy::CancelRunning => {
                for waiting in std::mem::take(&mut self.memory.waiting) {
                    decisions.push(skip(waiting.tick, SkipReason::Replaced));
                }
                decisions.extend(self.running.iter().map(|run| Decision::Cancel {
                    dag: dag.clone(),
                    run: run.clone(),
                }));
            }
            _ => {}
        }
        self.memory.waiting.push(occurrence);
        // What has room begins at once, so that the next tick meets it.
        self.start_waiting(decisions);
    }

    fn start_waiting(&mut self, decisions: &mut Vec<Decision>) {
        while let Some(first) = self.memory.waiting.first().copied() {
            if !self.has_room() || self.past_hinders() {
                return;
            }
            self.memory.waiting.remove(0);
            self.starting += 1;
            decisions.push(Decision::Start {
                dag: self.plan.dag.clone(),
                occurrence: first,
                stream: false,
            });
        }
    }

    fn has_room(&self) -> bool {
        let most = self.plan.max_runs.unwrap_or(match self.overlap() {
            OverlapPolicy::Allow => u32::MAX,
            _ => 1,
        });
        let active = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        active.saturating_add(self.starting) < most
    }

    fn past_hinders(&self) -> bool {
        self.plan.depends_on_past
            && (self.starting > 0
                || !self.running.is_empty()
                || self.last.is_some_and(|last| last != RunState::Success))
    }

    fn overlap(&self) -> OverlapPolicy {
        match &self.plan.schedule {
            Some(Schedule::Ticks(timetable)) => timetable.overlap,
            // What others start isn't lost.
            _ => OverlapPolicy::Queue,
        }
    }

    pub(super) fn next_wakeup(&self, now: Timestamp) -> Option<Timestamp> {
        if self.paused {
            return None;
        }
        let schedule = self.plan.schedule.as_ref()?;
        if *schedule == Schedule::Always {
            return self.stream.again.filter(|_| self.running.is_empty());
        }
        let decided = self.memory.decided.unwrap_or(now);
        Some(schedule.next_after(decided)? + delay(schedule, &self.plan.dag))
    }

    pub(super) fn why(&self) -> Waiting {
        if self.paused {
            return Waiting::Paused;
        }
        if !self.memory.waiting.is_empty() {
            if !self.has_room() {
                return Waiting::Running(self.running.clone());
            }
            if self.past_hinders() {
                return Waiting::Past;
            }
        }
        if let Some((interval, dags)) = self.memory.arrived.last() {
            let missing = self.plan.after.difference(dags).cloned().collect();
            return Waiting::Others(*interval, missing);
        }
        match (&self.plan.schedule, self.timer) {
            (Some(Schedule::Always), Some(at)) => Waiting::Restart(at),
            (Some(Schedule::Always), None) => Waiting::Running(self.running.clone()),
            (Some(_), Some(at)) => Waiting::Until(at),
            _ => Waiting::NoSchedule,
        }
    }
}
