//! What the engine asks for and says while runs are carried out.

use super::machine::{Machine, finished, later};
use super::{Becomes, ForeseenWait, Part};
use crate::engine::plan::PlanEvent;
use crate::engine::{Action, Event, Prepared};
use crate::model::{
    AttemptOutcome, Json, Outcome, RunId, TaskRunId, TaskState, Timestamp, Transition,
};

impl Machine {
    fn part(&self, run: &RunId, task: TaskRunId) -> Option<&Part> {
        let (spec, _) = self.specs.get(run)?;
        self.actors.get(&spec.dag)?.parts.get(task.task.get())
    }

    pub(super) fn act(&mut self, now: Timestamp, action: Action) {
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
