//! Planner and engine, and a clock that jumps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::alone::alone;
use super::{
    Actor, Becomes, Foreseen, ForeseenLate, ForeseenRun, ForeseenSkip, ForeseenWait, Part,
};
use crate::engine::plan::{Active, Cause, Decision, Memory, Occurrence, PlanEvent, Planner};
use crate::engine::{Action, Engine, Event, Limits, Prepared};
use crate::model::{
    AttemptId, AttemptOutcome, AttemptResult, DagId, Json, Outcome, RunId, RunSpec, RunState,
    TaskRunId, TaskState, Timestamp, Transition, TriggerKind,
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

struct Machine {
    planner: Planner,
    engine: Engine,
    actors: BTreeMap<DagId, Actor>,
    /// How long the runs take of DAGs that nothing can make slower: the engine needn't be asked.
    alone: BTreeMap<DagId, Duration>,
    plan_events: Vec<PlanEvent>,
    events: Vec<Event>,
    /// When attempts end; the number keeps their order.
    ends: BTreeMap<(Timestamp, u64), AttemptId>,
    /// When runs end that nothing can make slower, and their places among those foreseen.
    run_ends: BTreeMap<(Timestamp, u64), usize>,
    number: u64,
    /// Runs that go on, with their places among those foreseen.
    specs: BTreeMap<RunId, (Arc<RunSpec>, usize)>,
    waiting: BTreeMap<(RunId, TaskRunId), ForeseenWait>,
    foreseen: Foreseen,
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
        let Some(actor) = self.actors.get(dag) else {
            return;
        };
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
        self.foreseen.runs.push(ForeseenRun {
            id: id.clone(),
            dag: dag.clone(),
            occurrence: occurrence.clone(),
            begun: now,
            ended: None,
        });
        if let Some(takes) = self.alone.get(dag) {
            let at = later(now, *takes);
            self.run_ends.insert((at, self.number), place);
            return;
        }
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
        self.specs.insert(id, (spec, place));
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

    fn part(&self, run: &RunId, task: TaskRunId) -> Option<&Part> {
        let (spec, _) = self.specs.get(run)?;
        self.actors.get(&spec.dag)?.parts.get(task.task.get())
    }

    fn act(&mut self, now: Timestamp, action: Action) {
        match action {
            Action::Record(transition) => self.record(now, &transition),
            Action::Prepare {
                run,
                task,
                question,
            } => {
                let id = TaskRunId { task, item: None };
                let becomes = self.part(&run, id).map(|part| part.becomes);
                let answer = match becomes.unwrap_or(Becomes::Run) {
                    Becomes::Run => Prepared::Run,
                    Becomes::Skip => Prepared::Skip,
                    Becomes::Items(items) => Prepared::Items(vec![Json::null(); items as usize]),
                };
                self.events.push(Event::Prepared {
                    run,
                    task,
                    question,
                    answer,
                });
            }
            Action::Dispatch(attempt) => {
                let part = self.part(&attempt.run, attempt.task_run);
                let takes = part.map(|part| part.takes).unwrap_or_default();
                self.number += 1;
                self.ends.insert((later(now, takes), self.number), attempt);
            }
            Action::Abort { attempt, .. } => {
                self.ends.retain(|_, running| *running != attempt);
                self.events
                    .push(finished(attempt, AttemptOutcome::Cancelled));
            }
        }
    }

    fn record(&mut self, now: Timestamp, transition: &Transition) {
        match transition {
            Transition::Run { run, state, at } if state.is_finished() => {
                let Some((spec, place)) = self.specs.remove(run) else {
                    return;
                };
                self.foreseen.runs[place].ended = Some((*state, *at));
                self.plan_events.push(PlanEvent::Ended {
                    dag: spec.dag.clone(),
                    run: run.clone(),
                    state: *state,
                    at: *at,
                    interval: spec.interval,
                    scheduled: true,
                    whole: true,
                });
            }
            Transition::Task {
                run,
                task_run,
                state,
                at,
                ..
            } => self.task(now, (run, *task_run), state, *at),
            Transition::Expanded {
                run, task, items, ..
            } => {
                for item in (0..).take(items.len()) {
                    let id = TaskRunId {
                        task: *task,
                        item: Some(item),
                    };
                    if self.engine.task_state(run, id) == Some(TaskState::Ready) {
                        self.task(now, (run, id), &TaskState::Ready, now);
                    }
                }
            }
            Transition::Run { .. } => {}
        }
    }

    fn task(
        &mut self,
        now: Timestamp,
        (run, id): (&RunId, TaskRunId),
        state: &TaskState,
        at: Timestamp,
    ) {
        let Some((spec, _)) = self.specs.get(run) else {
            return;
        };
        let (dag, interval) = (spec.dag.clone(), spec.interval);
        match state {
            TaskState::Ready => {
                if let Some(why) = self.engine.why(run, id) {
                    let wait = ForeseenWait {
                        run: run.clone(),
                        dag,
                        task: id,
                        why,
                        since: now,
                        until: None,
                    };
                    self.waiting.insert((run.clone(), id), wait);
                }
                return;
            }
            TaskState::Finished {
                outcome: Outcome::Success,
                ..
            } if id.item.is_none() => {
                let written = self.part(run, id).map(|part| part.writes.clone());
                for dataset in written.unwrap_or_default() {
                    self.plan_events.push(PlanEvent::Wrote {
                        dataset,
                        at,
                        interval,
                    });
                }
            }
            _ => {}
        }
        if let Some(mut wait) = self.waiting.remove(&(run.clone(), id)) {
            wait.until = Some(now);
            self.foreseen.waits.push(wait);
        }
    }
}

fn later(now: Timestamp, takes: Duration) -> Timestamp {
    let takes = TimeDelta::from_std(takes).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(takes).unwrap_or(Timestamp::MAX_UTC)
}

fn finished(attempt: AttemptId, outcome: AttemptOutcome) -> Event {
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
