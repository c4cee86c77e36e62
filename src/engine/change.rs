//! The one place where a task run, and a run, changes its state.
//!
//! ```text
//!             rule holds             room
//!   Waiting ─────────────▶ Ready ───────────▶ Running ──────────▶ Finished
//!    │  ▲ │                ▲   ▲  lost in a    │   ▲              ▲ │ ▲  │
//!    │  │ │                │   └── crash ──────┘   │ success,     │ │ │  │ mark
//!    │  │ │                │                  │    │ no try left  │ │ └──┘
//!    │  │ │ foreach        └──── RetryWait ◀──┘ failed            │ │
//!    │  │ └────────▶ Expanded ──── all items ended ───────────────┘ │
//!    │  │                ▲                                          │
//!    │  └────────────────┴──────────── a person: retry ─────────────┘
//!    └──▶ Finished: the rule can't hold, `if` is false, `foreach` is empty or fails
//! ```
//!
//! Besides: a cancel or a mark finishes whatever waits, and a retry of something upstream sends
//! `Ready` and `RetryWait` back to `Waiting`. `Ready` is not recorded when it starts in the same
//! step. An item begins `Ready`; a retry of its group sends it from `Finished` back there.

use super::rules::{Weight, weigh};
use super::scheduler::Step;
use super::state::{Phase, Run, RunKey, Tally};
use crate::model::{Ended, Outcome, RunState, TaskIndex, TaskRunId, Transition};

/// How others hear of a change.
#[derive(Debug)]
pub(super) enum Notice {
    /// At once, with the attempt that ended by it.
    Record(Option<Ended>),
    /// At the end of the step, if it is still so.
    IfItStays,
    /// From a transition of another kind.
    Elsewhere,
}

impl Step<'_> {
    /// Moves a task run to another phase, with everything that hangs on it: its timer, its place in
    /// the queue, its slots, the counters of those who need it.
    pub(super) fn change(&mut self, key: RunKey, id: TaskRunId, to: &Phase, notice: Notice) {
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        let Some(task_run) = run.get_mut(id) else {
            return;
        };
        debug_assert!(
            may_follow(&task_run.phase, to),
            "{:?} ▶ {to:?}",
            task_run.phase
        );
        let from = std::mem::replace(&mut task_run.phase, to.clone());
        self.leave(key, id, &from, to);
        self.enter(key, id, to);
        match notice {
            Notice::Record(ended) => self.record_task(key, id, ended),
            Notice::IfItStays => {
                let task_run = self.engine.runs.get(&key).and_then(|run| run.get(id));
                if let Some(&Phase::Ready { turn, .. }) = task_run.map(|task_run| &task_run.phase) {
                    self.fresh.push((key, id, turn));
                }
            }
            Notice::Elsewhere => {}
        }
    }

    fn leave(&mut self, key: RunKey, id: TaskRunId, from: &Phase, to: &Phase) {
        match from {
            Phase::Ready { turn, held } => {
                self.leave_queue(key, id, *turn, *held);
                if !held && !matches!(to, Phase::Running { .. }) {
                    self.readmit(key, id);
                }
            }
            Phase::Running { deadline, .. } => {
                if let Some(at) = deadline {
                    self.engine.timers.remove(&(*at, key, id));
                }
                self.release(key, id);
                self.readmit(key, id);
            }
            Phase::RetryWait { until } => {
                self.engine.timers.remove(&(*until, key, id));
            }
            Phase::Finished { outcome, .. } => self.count(key, id, outcome, false),
            Phase::Waiting { .. } | Phase::Expanded { .. } => {}
        }
    }

    fn enter(&mut self, key: RunKey, id: TaskRunId, to: &Phase) {
        match to {
            Phase::Ready { .. } => self.enqueue(key, id),
            Phase::Running { deadline, .. } => {
                if let Some(at) = deadline {
                    self.engine.timers.insert((*at, key, id));
                }
            }
            Phase::RetryWait { until } => {
                self.engine.timers.insert((*until, key, id));
            }
            Phase::Finished { outcome, .. } => self.count(key, id, outcome, true),
            Phase::Waiting { .. } | Phase::Expanded { .. } => {
                self.judged.push_back((key, id.task));
            }
        }
    }

    /// Counts an end, or takes it back.
    fn count(&mut self, key: RunKey, id: TaskRunId, outcome: &Outcome, ended: bool) {
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        if id.item.is_some() {
            if let Some(group) = run
                .tasks
                .get_mut(id.task.get())
                .and_then(|t| t.group.as_mut())
            {
                if ended {
                    group.open = group.open.saturating_sub(1);
                } else {
                    group.open += 1;
                }
            }
            self.judged.push_back((key, id.task));
            return;
        }
        run.count(id.task, outcome, ended);
        if ended {
            let dependents = run.dependents.of(id.task);
            self.judged
                .extend(dependents.iter().map(|task| (key, *task)));
            if run.tally.open == 0 {
                self.ended.push(key);
            }
        } else {
            self.withdraw_questions(key, id.task);
        }
    }

    /// A task that has ended is open again, or ends otherwise: the answers to what was asked about
    /// those who need it may not be true any more.
    fn withdraw_questions(&mut self, key: RunKey, task: TaskIndex) {
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        for dependent in run.dependents.of(task) {
            if let Phase::Waiting { question } = &mut run.tasks[dependent.get()].own.phase
                && question.take().is_some()
            {
                self.judged.push_back((key, *dependent));
            }
        }
    }

    pub(super) fn record_task(&mut self, key: RunKey, id: TaskRunId, ended: Option<Ended>) {
        let Some(run) = self.engine.runs.get(&key) else {
            return;
        };
        let Some(now) = run.snapshot(id) else { return };
        let transition = Transition::Task {
            run: run.spec.id.clone(),
            task_run: id,
            generation: now.generation,
            attempts: now.attempts,
            budget: now.budget,
            fence: now.fence,
            state: now.state,
            ended,
            at: self.now,
        };
        self.record(transition);
    }

    /// Moves a run to another state.
    ///
    /// ```text
    ///   Queued ──first start──▶ Running ──all ended──▶ Success │ Failed
    ///     │ │                    │   ▲                     │
    ///     │ └──────all ended─────┼───┼──────────▶          │
    ///     └──cancel─▶ Cancelling ◀   └── a person: retry ──┴── Cancelled
    ///                     └────────────── all ended ──────────────▲
    /// ```
    pub(super) fn change_run(&mut self, key: RunKey, state: RunState) {
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        if run.state == state {
            return;
        }
        run.state = state;
        let transition = Transition::Run {
            run: run.spec.id.clone(),
            state,
            at: self.now,
        };
        self.record(transition);
    }

    /// Ends a run whose tasks have all ended, and forgets it.
    pub(super) fn end_run(&mut self, key: RunKey) {
        let state = match self.engine.runs.get(&key) {
            Some(run) if run.tally.open == 0 => run.end_state(),
            _ => return,
        };
        self.change_run(key, state);
        self.engine.remove(key);
    }
}

impl Run {
    /// Counts the end of a task for the run and for those who need it, or takes it back.
    pub(super) fn count(&mut self, task: TaskIndex, outcome: &Outcome, ended: bool) {
        let step = |count: &mut usize| {
            *count = if ended {
                count.saturating_add(1)
            } else {
                count.saturating_sub(1)
            };
        };
        if ended {
            self.tally.open = self.tally.open.saturating_sub(1);
        } else {
            self.tally.open += 1;
        }
        let Some(policy) = self.dag.tasks.get(task.get()) else {
            return;
        };
        let weight = weigh(outcome, policy.continue_on_failure);
        match outcome {
            Outcome::Cancelled => step(&mut self.tally.cancelled),
            _ if weight == Weight::Failed => step(&mut self.tally.failed),
            _ => {}
        }
        if self.tasks[task.get()].left_out {
            return;
        }
        for dependent in self.dependents.of(task) {
            let needs = &mut self.tasks[dependent.get()].needs;
            if ended {
                needs.add(weight);
            } else {
                needs.subtract(weight);
            }
        }
    }

    /// How the run ends, when all its tasks have.
    fn end_state(&self) -> RunState {
        let Tally {
            failed, cancelled, ..
        } = self.tally;
        match self.state {
            RunState::Cancelling => RunState::Cancelled,
            _ if cancelled > 0 => RunState::Cancelled,
            _ if failed > 0 => RunState::Failed,
            _ => RunState::Success,
        }
    }
}

/// The arrows of the diagram above.
fn may_follow(from: &Phase, to: &Phase) -> bool {
    use Phase::{Expanded, Finished, Ready, RetryWait, Running, Waiting};
    match from {
        Waiting { .. } => matches!(
            to,
            Waiting { .. } | Expanded { .. } | Ready { .. } | Finished { .. }
        ),
        Expanded { .. } => matches!(to, Finished { .. }),
        Ready { .. } => matches!(to, Running { .. } | Waiting { .. } | Finished { .. }),
        Running { .. } => matches!(to, RetryWait { .. } | Ready { .. } | Finished { .. }),
        RetryWait { .. } => matches!(to, Ready { .. } | Waiting { .. } | Finished { .. }),
        Finished { .. } => matches!(
            to,
            Waiting { .. } | Expanded { .. } | Ready { .. } | Finished { .. }
        ),
    }
}
