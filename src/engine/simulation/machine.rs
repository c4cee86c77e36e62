//! What drives a simulation: the planner and the engine, and a queue of what is to end when.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;

use super::{
    Actor, Becomes, Foreseen, ForeseenLate, ForeseenRun, ForeseenSkip, ForeseenWait, Part,
};
use crate::engine::plan::{Active, Cause, Decision, Occurrence, PlanEvent, Planner};
use crate::engine::{Action, Engine, Event, Limits, Prepared};
use crate::model::{
    AttemptId, AttemptOutcome, AttemptResult, DagId, Json, Outcome, RunId, RunSpec, TaskRunId,
    TaskState, Timestamp, Transition, TriggerKind,
};

/// The planner, the engine, and tasks that end when their time is over.
pub(super) struct Machine {
    planner: Planner,
    engine: Engine,
    actors: BTreeMap<DagId, Actor>,
    pub(super) plan_events: Vec<PlanEvent>,
    pub(super) events: Vec<Event>,
    /// When attempts end; the number keeps their order.
    ends: BTreeMap<(Timestamp, u64), AttemptId>,
    number: u64,
    /// Runs that go on, with their places among those foreseen.
    specs: BTreeMap<RunId, (Arc<RunSpec>, usize)>,
    pub(super) waiting: BTreeMap<(RunId, TaskRunId), ForeseenWait>,
    pub(super) foreseen: Foreseen,
}

impl Machine {
    /// Nothing has happened yet.
    pub(super) fn new(actors: Vec<Actor>, limits: &Limits, plan_events: Vec<PlanEvent>) -> Self {
        Self {
            planner: Planner::new(),
            engine: Engine::new(limits),
            plan_events,
            events: Vec::new(),
            ends: BTreeMap::new(),
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

    /// The next moment at which something happens by itself.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let end = self.ends.first_key_value().map(|((at, _), _)| *at);
        [end, self.engine.next_wakeup(), self.planner.next_wakeup()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Lets happen what happens at a moment; what follows from it is heard in the next step.
    pub(super) fn step(&mut self, now: Timestamp) {
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
        self.plan_events.push(PlanEvent::Began {
            dag: dag.clone(),
            active: Active {
                run: id.clone(),
                since: Some(occurrence.tick),
            },
        });
        self.events.push(Event::Triggered {
            run: spec.clone(),
            dag: actor.dag.clone(),
        });
        self.specs
            .insert(id.clone(), (spec, self.foreseen.runs.len()));
        self.foreseen.runs.push(ForeseenRun {
            id,
            dag: dag.clone(),
            occurrence,
            begun: now,
            ended: None,
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
                let takes = TimeDelta::from_std(takes).unwrap_or(TimeDelta::MAX);
                let at = now.checked_add_signed(takes).unwrap_or(Timestamp::MAX_UTC);
                self.number += 1;
                self.ends.insert((at, self.number), attempt);
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
