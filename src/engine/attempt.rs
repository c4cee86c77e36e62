//! How attempts end: with an answer, without one, or at their deadline.

use std::time::Duration;

use super::change::Notice;
use super::retry::{self, Draw, FORGIVEN_LOSSES, later};
use super::scheduler::Step;
use super::state::{Ending, Phase, RunKey};
use super::{AbortReason, Action};
use crate::model::{
    AttemptId, AttemptOutcome, AttemptResult, Ended, FailureCause, FailureKind, Json, Outcome,
    TaskRunId, Timestamp,
};

/// What is said of an attempt that a recovery finds.
const CRASHED: &str = "the process that ran it ended before it did";

/// An attempt that is running, and what it was told.
struct Current {
    key: RunKey,
    id: TaskRunId,
    number: u32,
    started: Timestamp,
    ending: Option<Ending>,
}

impl Step<'_> {
    /// The running attempt of that id; `None` for every other one, whose news come too late.
    fn current(&self, attempt: &AttemptId) -> Option<Current> {
        let key = self.live(&attempt.run)?;
        let task_run = self.engine.runs.get(&key)?.get(attempt.task_run)?;
        let is_current = task_run.generation == attempt.generation
            && task_run.attempts == attempt.number
            && task_run.fence == attempt.fence;
        match &task_run.phase {
            Phase::Running {
                started, ending, ..
            } if is_current => Some(Current {
                key,
                id: attempt.task_run,
                number: attempt.number,
                started: *started,
                ending: ending.clone(),
            }),
            _ => None,
        }
    }

    pub(super) fn attempt_finished(&mut self, attempt: &AttemptId, result: AttemptResult) {
        if let Some(current) = self.current(attempt) {
            self.conclude(current, result);
        }
    }

    pub(super) fn attempt_lost(&mut self, attempt: &AttemptId, message: &str) {
        if let Some(current) = self.current(attempt) {
            self.conclude(current, lost(message));
        }
    }

    /// Ends the current attempt. What it was told to do decides, unless it had done its work before
    /// it heard of it; a person's mark decides in any case.
    fn conclude(&mut self, current: Current, mut result: AttemptResult) {
        let Current {
            key,
            id,
            number,
            started,
            ending,
        } = current;
        let outcome = match (&ending, &result.outcome) {
            (Some(Ending::Marked(outcome)), _) => Ok(outcome.clone()),
            (_, AttemptOutcome::Success) => Ok(Outcome::Success),
            (_, AttemptOutcome::Skipped) => Ok(Outcome::Skipped),
            (Some(Ending::Cancelled), _) => {
                result.outcome = AttemptOutcome::Cancelled;
                Ok(Outcome::Cancelled)
            }
            (Some(Ending::TimedOut), _) => Err((self.timed_out(key, id), None)),
            (None, AttemptOutcome::Failed { cause, retry_after }) => {
                Err((cause.clone(), *retry_after))
            }
            (None, AttemptOutcome::Cancelled) => {
                let message = "the attempt was ended, but not by this run";
                Err((FailureCause::new(FailureKind::Lost, message), None))
            }
        };
        if let Err((cause, retry_after)) = &outcome {
            result.outcome = AttemptOutcome::Failed {
                cause: cause.clone(),
                retry_after: *retry_after,
            };
        }
        let ended = Ended {
            number,
            started,
            result,
        };
        match outcome {
            Ok(outcome) => self.finish(key, id, outcome, Some(ended)),
            Err((cause, retry_after)) => self.fail(key, id, cause, retry_after, ended),
        }
    }

    fn timed_out(&self, key: RunKey, id: TaskRunId) -> FailureCause {
        let task = self
            .engine
            .runs
            .get(&key)
            .and_then(|run| run.dag.tasks.get(id.task.get()));
        let timeout = task.and_then(|task| task.timeout).unwrap_or_default();
        let message = format!("it ran longer than its `timeout` of {timeout:?}");
        FailureCause::new(FailureKind::TimedOut, message)
    }

    /// Counts a failure, and waits for another try where the policy has one left.
    fn fail(
        &mut self,
        key: RunKey,
        id: TaskRunId,
        cause: FailureCause,
        retry_after: Option<Duration>,
        ended: Ended,
    ) {
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        let seed = run.spec.seed;
        let dag = run.dag.clone();
        let (Some(task), Some(task_run)) = (dag.tasks.get(id.task.get()), run.get_mut(id)) else {
            return;
        };
        task_run.budget.spent = task_run.budget.spent.saturating_add(1);
        let draw = Draw {
            seed,
            task_run: id,
            generation: task_run.generation,
            attempt: task_run.attempts,
        };
        let spent = task_run.budget.spent;
        match retry::wait(&task.retry, cause.kind, spent, retry_after, draw) {
            Some(wait) => {
                let until = later(self.now, wait);
                let notice = Notice::Record(Some(ended));
                self.change(key, id, &Phase::RetryWait { until }, notice);
            }
            None => self.finish(key, id, Outcome::Failed(cause), Some(ended)),
        }
    }

    /// Deals with an attempt whose process ended with the one before ours. The machine is to blame,
    /// not the task: it is tried again at once, and that costs none of its retries, unless it has
    /// happened too often or the policy says that a lost attempt must not be repeated.
    pub(super) fn recover(&mut self, key: RunKey, id: TaskRunId) {
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        let policy = run.dag.tasks.get(id.task.get());
        let again = policy.is_some_and(|task| task.retry.on.contains(&FailureKind::Lost));
        // To go on waiting costs nothing, and what it waits for counts its own losses.
        let waits = policy.is_some_and(|task| task.waits);
        let Some(task_run) = run.get_mut(id) else {
            return;
        };
        let Phase::Running { started, .. } = task_run.phase else {
            return;
        };
        let number = task_run.attempts;
        task_run.budget.losses = task_run.budget.losses.saturating_add(1);
        let forgiven = waits || (again && task_run.budget.losses <= FORGIVEN_LOSSES);
        let ended = Ended {
            number,
            started,
            result: lost(CRASHED),
        };
        if forgiven {
            self.make_ready(key, id, Some(ended));
        } else {
            let cause = FailureCause::new(FailureKind::Lost, CRASHED);
            self.fail(key, id, cause, None, ended);
        }
    }

    /// Gives up on such an attempt in a run that is being cancelled.
    pub(super) fn drop_lost(&mut self, key: RunKey, id: TaskRunId) {
        let task_run = self.engine.runs.get(&key).and_then(|run| run.get(id));
        let Some((number, Phase::Running { started, .. })) =
            task_run.map(|task_run| (task_run.attempts, &task_run.phase))
        else {
            return;
        };
        let ended = Ended {
            number,
            started: *started,
            result: lost(CRASHED),
        };
        self.finish(key, id, Outcome::Cancelled, Some(ended));
    }

    /// Does what is due: waits that are over, attempts past their deadline.
    pub(super) fn due(&mut self) {
        while let Some(&(at, key, id)) = self.engine.timers.first() {
            if at > self.now {
                break;
            }
            self.engine.timers.pop_first();
            let phase = self.engine.runs.get(&key).and_then(|run| run.get(id));
            match phase.map(|task_run| &task_run.phase) {
                Some(Phase::RetryWait { .. }) => self.make_ready(key, id, None),
                Some(Phase::Running { .. }) => self.abort(key, id, Ending::TimedOut),
                _ => {}
            }
        }
    }

    /// Tells a running attempt to end, once. Its answer is still expected, and keeps its slots.
    pub(super) fn abort(&mut self, key: RunKey, id: TaskRunId, why: Ending) {
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        let Some(task_run) = run.get_mut(id) else {
            return;
        };
        let Phase::Running {
            deadline, ending, ..
        } = &mut task_run.phase
        else {
            return;
        };
        let reason = match why {
            Ending::TimedOut => AbortReason::TimedOut,
            Ending::Cancelled | Ending::Marked(_) => AbortReason::Cancelled,
        };
        let told_before = ending.replace(why).is_some();
        let timer = deadline.map(|at| (at, key, id));
        let attempt = run.attempt(id);
        if let Some(timer) = timer {
            self.engine.timers.remove(&timer);
        }
        if !told_before && let Some(attempt) = attempt {
            self.actions.push(Action::Abort { attempt, reason });
        }
    }
}

fn lost(message: &str) -> AttemptResult {
    AttemptResult {
        outcome: AttemptOutcome::Failed {
            cause: FailureCause::new(FailureKind::Lost, message),
            retry_after: None,
        },
        outputs: Json::null(),
        dataset: None,
        metrics: None,
    }
}
