//! What the simulation checks: each transition before it is made durable, and the state after each
//! batch.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use runner::engine::{AbortReason, Action, Engine, FORGIVEN_LOSSES, Why};
use runner::model::{
    AttemptId, AttemptOutcome, FailureKind, Outcome, RunId, RunState, TaskIndex, TaskRunId,
    TaskState, Transition,
};

use super::ledger::{Ledger, own};
use super::oracle::{self, Rule};
use super::plan::{Kind, MAX_DELAY};
use super::world::{Tries, World};

impl World<'_> {
    /// The task that runs again by this transition, if one does.
    pub(super) fn opens(&self, transition: &Transition) -> Option<(RunId, TaskIndex)> {
        let Transition::Task {
            run,
            task_run,
            state,
            ..
        } = transition
        else {
            return None;
        };
        let was = self.ledger.runs[run].state(*task_run);
        let opens = was.is_finished() && !state.is_finished() && task_run.item.is_none();
        opens.then(|| (run.clone(), task_run.task))
    }

    /// When a task runs again, so does everything that had ended after it.
    pub(super) fn check_after_retry(before: &Ledger, opened: &BTreeSet<(RunId, TaskIndex)>) {
        for (run, again) in opened {
            let entry = &before.runs[run];
            for (index, task) in entry.dag.tasks.iter().enumerate() {
                let had_ended = entry.state(own(index)).is_finished();
                if task.needs.contains(again) && had_ended && !entry.is_left_out(index) {
                    let id = (run.clone(), own(index).task);
                    assert!(opened.contains(&id), "{index} comes after {again:?}");
                }
            }
        }
    }

    /// What must be true of a transition, in the state that it meets.
    pub(super) fn check_before(&mut self, transition: &Transition) {
        match transition {
            Transition::Run { run, state, .. } => {
                let was = self.ledger.runs[run].state;
                self.seen.insert(format!("run {was} ▶ {state}"));
            }
            Transition::Expanded { run, task, .. } => {
                let entry = &self.ledger.runs[run];
                assert_eq!(oracle::judge(entry, task.get()), Rule::Holds, "expanded");
                self.tries
                    .retain(|(of, id), _| of != run || id.task != *task || id.item.is_none());
            }
            Transition::Task {
                run,
                task_run: id,
                generation,
                state,
                budget,
                ended,
                ..
            } => {
                let entry = &self.ledger.runs[run];
                let was = entry.state(*id).clone();
                let what = if id.item.is_some() { "item" } else { "task" };
                let arrow = format!("{what} {} ▶ {}", word(&was), word(state));
                self.seen.insert(arrow);
                if let Some(ended) = ended {
                    self.check_told(run, *id, entry.tasks[id].fence, &ended.result.outcome);
                }
                let tries = self.tries.entry((run.clone(), *id)).or_default();
                let begins_anew = matches!(
                    (&was, state),
                    (_, TaskState::Waiting)
                        | (
                            TaskState::Finished { .. },
                            TaskState::Ready | TaskState::Running { .. }
                        )
                );
                if begins_anew {
                    *tries = Tries::default();
                }
                if matches!(
                    was,
                    TaskState::Finished {
                        outcome: Outcome::Success,
                        ..
                    }
                ) && !state.is_finished()
                {
                    let renewed = *generation > entry.tasks[id].generation;
                    assert!(renewed, "{id:?} had succeeded");
                }
                let policy = entry.dag.task(id.task);
                match state {
                    TaskState::Running { deadline, started } => {
                        tries.begun += 1;
                        let allowed = policy.retry.retries + 1 + tries.lost.min(FORGIVEN_LOSSES);
                        assert!(tries.begun <= allowed, "{id:?}: too many attempts");
                        assert_ne!(entry.state, RunState::Cancelling, "{id:?} starts");
                        let wanted = policy.timeout.map(|t| *started + t);
                        assert_eq!(*deadline, wanted);
                    }
                    TaskState::RetryWait { until } => {
                        let longest = TimeDelta::from_std(MAX_DELAY).unwrap();
                        assert!(*until <= self.now + longest && *until >= self.now);
                        assert!(budget.spent <= policy.retry.retries);
                    }
                    TaskState::Finished {
                        outcome: Outcome::Failed(cause),
                        ..
                    } if ended.is_some() && policy.retry.on.contains(&cause.kind) => {
                        let forgiven = tries.lost.min(FORGIVEN_LOSSES);
                        let is_marked = self.marked.contains(&(run.clone(), id.task.get()));
                        let used_up = tries.begun == policy.retry.retries + 1 + forgiven;
                        assert!(used_up || is_marked, "{id:?}: a try is left");
                    }
                    _ => {}
                }
                if was == TaskState::Waiting && entry.state != RunState::Cancelling {
                    self.check_leaves_waiting(run, *id, state);
                }
            }
        }
    }

    /// What starts has the largest priority of all that could. What has become ready in this batch,
    /// and stays so, is recorded after the starts, but has its place in the queue before.
    pub(super) fn check_order(&self, transition: &Transition, rest: &[Action]) {
        let Transition::Task {
            run,
            task_run,
            state: TaskState::Running { .. },
            ..
        } = transition
        else {
            return;
        };
        let mut ledger = self.ledger.clone();
        for action in rest {
            if let Action::Record(Transition::Task {
                run,
                task_run,
                state: TaskState::Ready,
                ..
            }) = action
            {
                ledger.wait_ready(run, *task_run);
            }
        }
        let above = oracle::priority(&self.ledger.runs[run], *task_run);
        let better = oracle::startable(&ledger, &self.limits, above);
        assert!(better.is_empty(), "{task_run:?} overtakes {better:?}");
    }

    /// What was told to end has done so for that reason, unless it was faster.
    pub(super) fn check_told(
        &self,
        run: &RunId,
        id: TaskRunId,
        fence: u64,
        outcome: &AttemptOutcome,
    ) {
        let is_it =
            |told: &AttemptId| told.run == *run && told.task_run == id && told.fence == fence;
        let told = self.told.iter().find(|(told, _)| is_it(told));
        let is_timeout = matches!(
            outcome,
            AttemptOutcome::Failed { cause, .. } if cause.kind == FailureKind::TimedOut
        );
        let is_failure = matches!(outcome, AttemptOutcome::Failed { .. });
        match told {
            Some((_, AbortReason::TimedOut)) if is_failure => {
                let is_marked = self.marked.contains(&(run.clone(), id.task.get()));
                assert!(is_timeout || is_marked, "{id:?}: {outcome:?}");
            }
            Some(_) => {}
            None => assert!(!is_timeout, "{id:?} was not told"),
        }
    }

    /// A task stops waiting when its rule says so, and not before.
    pub(super) fn check_leaves_waiting(&self, run: &RunId, id: TaskRunId, to: &TaskState) {
        let entry = &self.ledger.runs[run];
        let task = id.task.get();
        let is_marked = self.marked.contains(&(run.clone(), task));
        let judged = oracle::judge(entry, task);
        let outcome = match to {
            TaskState::Waiting => return,
            TaskState::Finished { outcome, .. } => outcome,
            _ => return assert_eq!(judged, Rule::Holds, "{id:?} starts"),
        };
        let kind = self.kind(run, id.task);
        match outcome {
            _ if is_marked => {}
            Outcome::Skipped if entry.is_left_out(task) => {}
            Outcome::Skipped if judged == Rule::Holds => {
                assert!(matches!(kind, Kind::If(false) | Kind::Foreach(0)), "{id:?}");
            }
            Outcome::Skipped => assert_eq!(judged, Rule::Fails, "{id:?} is skipped"),
            Outcome::UpstreamFailed => {
                assert_eq!(judged, Rule::Fails, "{id:?} can't start");
                assert!(oracle::has_failed_need(entry, task), "{id:?} blames nobody");
            }
            Outcome::Failed(_) => assert_eq!(judged, Rule::Holds, "{id:?} fails"),
            Outcome::Success | Outcome::Cancelled => panic!("{id:?} ends as {outcome:?}"),
        }
    }

    /// What must be true when a batch is done: nothing waits that could go on.
    pub(super) fn check_quiet(&mut self) {
        let mut seen = BTreeSet::new();
        let startable = oracle::startable(&self.ledger, &self.limits, i64::MIN);
        assert!(startable.is_empty(), "{startable:?} could run");
        for (run, entry) in &self.ledger.runs {
            if entry.state.is_finished() {
                continue;
            }
            let is_open = |t: &TaskState| !t.is_finished();
            let open = entry.tasks.values().filter(|t| is_open(&t.state)).count();
            assert!(open > 0, "{run} should have ended");
            for id in entry.tasks.keys() {
                let state = entry.state(*id);
                let why = self.engine.why(run, *id);
                seen.extend(why.as_ref().map(why_word));
                let waits = is_open(state) && !matches!(state, TaskState::Running { .. });
                assert_eq!(why.is_some(), waits, "{id:?}: {why:?}");
                if *state == TaskState::Waiting {
                    let judged = oracle::judge(entry, id.task.get());
                    let is_prepared =
                        judged == Rule::Holds && self.question(run, id.task).is_some();
                    assert!(judged == Rule::Open || is_prepared, "{id:?}: {judged:?}");
                }
                if let TaskState::Running {
                    deadline: Some(at), ..
                } = state
                {
                    let told = self.told.iter().any(|(attempt, _)| {
                        let fence = entry.tasks[id].fence;
                        attempt.run == *run && attempt.task_run == *id && attempt.fence == fence
                    });
                    let next = self.engine.next_wakeup();
                    assert!(
                        told || next.is_some_and(|next| next <= *at),
                        "{id:?} runs on"
                    );
                }
            }
        }
        self.seen.extend(seen);
        self.check_observer();
        self.check_replay();
    }

    /// An engine restored from the ledger is the engine that never stopped, but for lost attempts:
    /// compared where none runs.
    pub(super) fn check_replay(&self) {
        let live = || {
            let entries = self.ledger.runs.iter();
            entries.filter(|(_, entry)| !entry.state.is_finished())
        };
        if live().any(|(_, entry)| entry.running().next().is_some()) {
            return;
        }
        if self.engine.next_wakeup().is_some_and(|at| at <= self.now) {
            return;
        }
        let mut copy = Engine::new(&self.limits);
        let mut actions = copy.handle(self.now, live().map(|(run, _)| self.restored(run)));
        actions.retain(|action| !matches!(action, Action::Prepare { .. }));
        assert_eq!(actions, Vec::new(), "a restored engine does the same");
        assert_eq!(copy.next_wakeup(), self.engine.next_wakeup());
        for (run, _) in live() {
            assert_eq!(copy.snapshots(run), self.engine.snapshots(run));
        }
    }

    /// Whoever only looks, with what is durable, is told the same as the engine itself tells.
    fn check_observer(&self) {
        let mut observer = Engine::new(&self.limits);
        let live = self.ledger.runs.iter();
        let live = live.filter(|(_, entry)| !entry.state.is_finished());
        for (_, entry) in live.clone() {
            let run = (entry.spec.clone(), entry.dag.clone());
            observer.observe(self.now, run, entry.state, entry.snapshots());
        }
        assert_eq!(observer.next_wakeup(), None, "it waits for nothing");
        for (run, entry) in live {
            for id in entry.tasks.keys() {
                let (told, seen) = (self.engine.why(run, *id), observer.why(run, *id));
                match told {
                    // What was asked isn't durable.
                    Some(Why::Preparing) => assert!(matches!(seen, Some(Why::Needs(_)))),
                    // The order among equals isn't either: another may be the next.
                    Some(Why::Pool { .. } | Why::RunLimit(_) | Why::Limit(_)) => {
                        assert!(seen.is_some());
                    }
                    Some(Why::Concurrency(_)) => assert!(seen.is_some()),
                    told => assert_eq!(seen, told, "{id:?}"),
                }
            }
        }
    }

    pub(super) fn check_end(&self) {
        for (run, entry) in &self.ledger.runs {
            assert!(entry.state.is_finished(), "{run} is {}", entry.state);
        }
        assert_eq!(self.ledger.runs.len(), self.runs.len());
        assert_eq!(self.engine.runs().count(), 0, "ended runs are forgotten");
        assert_eq!(self.engine.next_wakeup(), None);
    }
}

fn word(state: &TaskState) -> String {
    match state {
        TaskState::Waiting => "waiting".into(),
        TaskState::Expanded { .. } => "expanded".into(),
        TaskState::Ready => "ready".into(),
        TaskState::Running { .. } => "running".into(),
        TaskState::RetryWait { .. } => "retry_wait".into(),
        TaskState::Finished { outcome, .. } => match outcome {
            Outcome::Success => "success".into(),
            Outcome::Failed(cause) => format!("failed {:?}", cause.kind),
            Outcome::Skipped => "skipped".into(),
            Outcome::UpstreamFailed => "upstream_failed".into(),
            Outcome::Cancelled => "cancelled".into(),
        },
    }
}

fn why_word(why: &Why) -> String {
    let text = format!("{why:?}");
    let end = text.find(['(', ' ']).unwrap_or(text.len());
    format!("why {}", &text[..end])
}
