//! The executors of the simulation: they answer late, fail, die, and are told to end.

use std::time::Duration;

use runner::engine::{AbortReason, Action, Event, Prepared};
use runner::model::{
    AttemptId, AttemptOutcome, AttemptResult, FailureCause, FailureKind, Json, RunId, TaskIndex,
    TaskState,
};

use super::plan::Kind;
use super::random::Random;
use super::world::World;

impl World<'_> {
    /// Does what a committed batch asks for.
    pub(super) fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Record(_) => {}
                Action::Prepare {
                    run,
                    task,
                    question,
                } => {
                    let before = self.question(&run, task);
                    assert!(before.is_none_or(|before| before < question));
                    let answer = self.answer(&run, task);
                    let event = Event::Prepared {
                        run,
                        task,
                        question,
                        answer,
                    };
                    let at = self.soon(3);
                    self.coming.push((at, event));
                }
                Action::Dispatch(attempt) => self.dispatch(attempt),
                Action::Abort { attempt, reason } => self.abort(attempt, reason),
            }
        }
    }

    fn dispatch(&mut self, attempt: AttemptId) {
        let entry = &self.ledger.runs[&attempt.run];
        let task_run = &entry.tasks[&attempt.task_run];
        assert!(matches!(task_run.state, TaskState::Running { .. }));
        assert_eq!(task_run.fence, attempt.fence);
        let at = (attempt.run.clone(), attempt.task_run);
        let highest = self.highest.entry(at).or_default();
        assert!(attempt.fence > *highest, "fences grow");
        *highest = attempt.fence;
        let spent = task_run.budget.spent;
        let timeout = entry.dag.task(attempt.task_run.task).timeout;
        let event = self.result(attempt, spent, timeout.is_some());
        if let Some(event) = event {
            let at = self.soon(15);
            self.coming.push((at, event));
        }
    }

    /// How an attempt ends by itself: the same for the same task, item and number of failures. An
    /// attempt with a timeout may never end.
    fn result(&mut self, attempt: AttemptId, spent: u32, may_hang: bool) -> Option<Event> {
        let item = attempt.task_run.item.map_or(0, |item| u64::from(item) + 1);
        let parts = [u64::from(attempt.task_run.task.0), item, u64::from(spent)];
        let seed = parts
            .iter()
            .fold(self.case.seed, |seed, part| Random::new(seed ^ part).next());
        let mut random = Random::new(seed);
        if !random.chance(self.case.chaos.failure) {
            let outcome = if random.chance(10) {
                AttemptOutcome::Skipped
            } else {
                AttemptOutcome::Success
            };
            return Some(finished(attempt, outcome));
        }
        let kind = match random.below(6) {
            0 if may_hang => return None,
            1 => {
                let message = "gone".into();
                return Some(Event::AttemptLost { attempt, message });
            }
            2 => FailureKind::Permanent,
            3 => return Some(finished(attempt, AttemptOutcome::Cancelled)),
            _ => FailureKind::Retryable,
        };
        let cause = FailureCause::new(kind, "it broke");
        let retry_after = random.chance(30).then_some(Duration::from_secs(5));
        Some(finished(
            attempt,
            AttemptOutcome::Failed { cause, retry_after },
        ))
    }

    fn abort(&mut self, attempt: AttemptId, reason: AbortReason) {
        let entry = &self.ledger.runs[&attempt.run];
        if reason == AbortReason::TimedOut {
            // Unless it ended in the same batch.
            if let TaskState::Running { deadline, .. } = entry.state(attempt.task_run) {
                assert!(deadline.is_some_and(|at| at <= self.now), "not due");
            }
        }
        let twice = self.told.iter().any(|(told, _)| *told == attempt);
        assert!(!twice, "{attempt:?} is told twice");
        self.told.push((attempt.clone(), reason));
        self.seen.insert(format!("abort {reason:?}"));
        // It may have ended by itself just before.
        let is_of = |event: &Event| matches!(event, Event::AttemptFinished { attempt: of, .. } | Event::AttemptLost { attempt: of, .. } if *of == attempt);
        if self.random.chance(30) && self.coming.iter().any(|(_, event)| is_of(event)) {
            return;
        }
        self.coming.retain(|(_, event)| !is_of(event));
        let at = self.soon(3);
        self.coming
            .push((at, finished(attempt, AttemptOutcome::Cancelled)));
    }

    fn answer(&self, run: &RunId, task: TaskIndex) -> Prepared {
        match self.kind(run, task) {
            Kind::Plain => panic!("a plain task is not prepared"),
            Kind::If(true) => Prepared::Run,
            Kind::If(false) => Prepared::Skip,
            Kind::Foreach(items) => {
                let item = |n: u32| Json(n.to_string().into());
                Prepared::Items((0..items).map(item).collect())
            }
            Kind::Broken => Prepared::Fail(FailureCause::new(
                FailureKind::Permanent,
                "no such variable",
            )),
        }
    }
}

pub(crate) fn finished(attempt: AttemptId, outcome: AttemptOutcome) -> Event {
    let result = AttemptResult {
        outcome,
        outputs: Json::null(),
        dataset: None,
        metrics: None,
    };
    Event::AttemptFinished { attempt, result }
}
