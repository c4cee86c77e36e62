//! Planner and engine, and a clock that jumps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::alone::alone;
use super::{Actor, Foreseen, ForeseenLate, ForeseenRun, ForeseenSkip, ForeseenWait};
use crate::engine::plan::{Active, Cause, Decision, Memory, Occurrence, PlanEvent, Planner};
use crate::engine::{Engine, Event, Limits};
use crate::model::{
    AttemptId, AttemptOutcome, AttemptResult, DagId, Json, RunId, RunSpec, RunState, TaskRunId,
    Timestamp, TriggerKind,
};

/// Steps after which a simulation ends: more than a year of a large project.
const MOST_STEPS: u32 = 5_000_000;

/// Runs all DAGs forward from one moment to just before another, as if nothing had been before.
#[must_use]
pub fn simulate(actors: Vec<Actor>, limits: &Limits, from: Timestamp, to: Timestamp) -> Foreseen {
    simulate_runs(actors, limits, (from, to), usize::MAX)
}

/// [`simulate`], and it ends early when so many runs have begun.
#[must_use]
pub fn simulate_runs(
    actors: Vec<Actor>,
    limits: &Limits,
    (from, to): (Timestamp, Timestamp),
    most: usize,
) -> Foreseen {
    let alone = alone(&actors, limits);
    let mut machine = Machine::new(actors, limits);
    machine.alone = alone;
    let known = machine.actors.values().map(|actor| PlanEvent::Known {
        plan: actor.plan.clone(),
        memory: Memory {
            // What was before isn't caught up on; a tick at the beginning is the first.
            decided: Some(from - TimeDelta::microseconds(1)),
            ..Memory::default()
        },
        paused: false,
        running: Vec::new(),
        last: None,
        heard: Vec::new(),
        things: BTreeMap::new(),
    });
    machine.plan_events = known.collect();
    machine.run((from, to), most);
    let waiting = std::mem::take(&mut machine.waiting);
    machine.foreseen.waits.extend(waiting.into_values());
    machine.foreseen
}

/// How long a run takes with nothing beside it; `None`: it doesn't succeed.
pub(super) fn length(actor: &Actor, limits: &Limits) -> Option<Duration> {
    let from = Timestamp::UNIX_EPOCH;
    let mut machine = Machine::new(vec![actor.clone()], limits);
    let occurrence = Occurrence {
        tick: from,
        interval_start: from,
        interval_end: from,
        cause: Cause::After,
    };
    machine.begin(from, &actor.plan.dag, occurrence);
    machine.run((from, Timestamp::MAX_UTC), usize::MAX);
    match machine.foreseen.runs.first()?.ended? {
        (RunState::Success, at) => (at - from).to_std().ok(),
        _ => None,
    }
}

pub(super) struct Machine {
    planner: Planner,
    pub(super) engine: Engine,
    pub(super) actors: BTreeMap<DagId, Actor>,
    /// How long the runs take of DAGs that nothing can make slower: the engine needn't be asked.
    alone: BTreeMap<DagId, Duration>,
    pub(super) plan_events: Vec<PlanEvent>,
    pub(super) events: Vec<Event>,
    /// When attempts end; the number keeps their order.
    pub(super) ends: BTreeMap<(Timestamp, u64), AttemptId>,
    /// When runs end that nothing can make slower, and their places among those foreseen.
    run_ends: BTreeMap<(Timestamp, u64), usize>,
    pub(super) number: u64,
    /// Runs that go on, with their places among those foreseen.
    pub(super) specs: BTreeMap<RunId, (Arc<RunSpec>, usize)>,
    pub(super) waiting: BTreeMap<(RunId, TaskRunId), ForeseenWait>,
    pub(super) foreseen: Foreseen,
}

impl Machine {
    fn new(actors: Vec<Actor>, limits: &Limits) -> Self {
        Self {
            planner: Planner::new(),
            engine: Engine::new(limits),
            plan_events: Vec::new(),
            events: Vec::new(),
            alone: BTreeMap::new(),
            ends: BTreeMap::new(),
            run_ends: BTreeMap::new(),
            number: 0,
            specs: BTreeMap::new(),
            waiting: BTreeMap::new(),
            foreseen: Foreseen::default(),
            actors: actors
                .into_iter()
                .map(|actor| (actor.plan.dag.clone(), actor))
                .collect(),
        }
    }

    fn run(&mut self, (from, to): (Timestamp, Timestamp), most: usize) {
        let mut now = from;
        for step in 0.. {
            if step >= MOST_STEPS || self.foreseen.runs.len() >= most {
                self.foreseen.cut = Some(now);
                return;
            }
            self.step(now);
            if !self.plan_events.is_empty() || !self.events.is_empty() {
                continue;
            }
            let Some(next) = self.next().filter(|next| *next < to) else {
                return;
            };
            now = next.max(now);
        }
    }

    fn next(&self) -> Option<Timestamp> {
        let end = self.ends.first_key_value().map(|((at, _), _)| *at);
        let run_end = self.run_ends.first_key_value().map(|((at, _), _)| *at);
        [
            end,
            run_end,
            self.engine.next_wakeup(),
            self.planner.next_wakeup(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn step(&mut self, now: Timestamp) {
        while let Some(entry) = self.ends.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let attempt = entry.remove();
            self.events.push(finished(attempt, AttemptOutcome::Success));
        }
        let events = std::mem::take(&mut self.plan_events);
        for decision in self.planner.handle(now, events) {
            self.decided(now, decision);
        }
        while let Some(entry) = self.run_ends.first_entry() {
            let at = entry.key().0;
            if at > now {
                break;
            }
            let place = entry.remove();
            self.run_ended(place, at);
        }
        let events = std::mem::take(&mut self.events);
        for action in self.engine.handle(now, events) {
            self.act(now, action);
        }
    }

    fn decided(&mut self, now: Timestamp, decision: Decision) {
        match decision {
            Decision::Start { dag, occurrence } => self.begin(now, &dag, occurrence),
            Decision::Skip {
                dag,
                first,
                last,
                count,
                reason,
            } => self.foreseen.skipped.push(ForeseenSkip {
                dag,
                first,
                last,
                count,
                reason,
            }),
            Decision::Cancel { run, .. } => self.events.push(Event::CancelRequested { run }),
            Decision::DeadlineMissed {
                dag,
                run,
                scheduled,
                deadline,
            } => self.foreseen.late.push(ForeseenLate {
                dag,
                run,
                scheduled,
                deadline,
            }),
            Decision::Remember { .. }
            | Decision::Keep { .. }
            | Decision::Forget { .. }
            | Decision::Answered { .. } => {}
        }
    }

    fn begin(&mut self, now: Timestamp, dag: &DagId, occurrence: Occurrence) {
        self.number += 1;
        let Ok(id) = RunId::new(&format!("{:0>13}", self.number)) else {
            return;
        };
        self.plan_events.push(PlanEvent::Began {
            dag: dag.clone(),
            active: Active {
                run: id.clone(),
                since: Some(occurrence.tick),
            },
        });
        let place = self.foreseen.runs.len();
        match self.alone.get(dag) {
            Some(takes) => {
                let at = later(now, *takes);
                self.run_ends.insert((at, self.number), place);
            }
            None => self.trigger(now, dag, &occurrence, (&id, place)),
        }
        self.foreseen.runs.push(ForeseenRun {
            id,
            dag: dag.clone(),
            occurrence,
            begun: now,
            ended: None,
        });
    }

    /// Lets the engine carry a run out.
    fn trigger(
        &mut self,
        now: Timestamp,
        dag: &DagId,
        occurrence: &Occurrence,
        (id, place): (&RunId, usize),
    ) {
        let Some(actor) = self.actors.get(dag) else {
            return;
        };
        let spec = Arc::new(RunSpec {
            id: id.clone(),
            dag: dag.clone(),
            version: actor.plan.version.clone(),
            params: Json::null(),
            interval: occurrence.interval(),
            logical_time: occurrence.tick,
            trigger: match occurrence.cause {
                Cause::After => TriggerKind::After {
                    what: String::new(),
                },
                _ => TriggerKind::Schedule,
            },
            seed: self.number,
            priority: 0,
            only: None,
            created: now,
        });
        self.events.push(Event::Triggered {
            run: spec.clone(),
            dag: actor.dag.clone(),
        });
        self.specs.insert(id.clone(), (spec, place));
    }

    /// A run has ended that the engine has not heard of.
    fn run_ended(&mut self, place: usize, at: Timestamp) {
        let run = &mut self.foreseen.runs[place];
        run.ended = Some((RunState::Success, at));
        self.plan_events.push(PlanEvent::Ended {
            dag: run.dag.clone(),
            run: run.id.clone(),
            state: RunState::Success,
            at,
            interval: run.occurrence.interval(),
            scheduled: true,
            whole: true,
        });
    }
}

pub(super) fn later(now: Timestamp, takes: Duration) -> Timestamp {
    let takes = TimeDelta::from_std(takes).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(takes).unwrap_or(Timestamp::MAX_UTC)
}

pub(super) fn finished(attempt: AttemptId, outcome: AttemptOutcome) -> Event {
    Event::AttemptFinished {
        attempt,
        result: AttemptResult {
            outcome,
            outputs: Json::null(),
            dataset: None,
            metrics: None,
        },
    }
}
