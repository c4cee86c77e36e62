//! From ready to running: the place in the queue, the slots, and the start of an attempt.

use super::Action;
use super::change::Notice;
use super::queue::{Claim, Turn};
use super::retry::later;
use super::scheduler::Step;
use super::state::{Phase, RunKey};
use crate::model::{Ended, FailureCause, FailureKind, Outcome, RunState, TaskRunId};

impl Step<'_> {
    /// Makes a task run ready, or fails it where it never could start. `ended` is the attempt that
    /// brought it here, if one did.
    pub(super) fn make_ready(&mut self, key: RunKey, id: TaskRunId, ended: Option<Ended>) {
        if let Some(cause) = self.never_fits(key, id) {
            return self.finish(key, id, Outcome::Failed(cause), ended);
        }
        let notice = match ended {
            Some(ended) => Notice::Record(Some(ended)),
            None => Notice::IfItStays,
        };
        let ready = Phase::Ready {
            turn: Turn::NONE,
            held: true,
        };
        self.change(key, id, &ready, notice);
    }

    pub(super) fn finish(
        &mut self,
        key: RunKey,
        id: TaskRunId,
        outcome: Outcome,
        ended: Option<Ended>,
    ) {
        let at = self.now;
        self.change(
            key,
            id,
            &Phase::Finished { outcome, at },
            Notice::Record(ended),
        );
    }

    /// Why a task can never start: its pool is too small for it.
    pub(super) fn never_fits(&self, key: RunKey, id: TaskRunId) -> Option<FailureCause> {
        let run = self.engine.runs.get(&key)?;
        let all = run.task(id.task)?.claim.err()?;
        let (pool, slots) = run.dag.tasks.get(id.task.get())?.pool.as_ref()?;
        let message = format!(
            "it wants {slots} slots of pool `{pool}`, which has {all}: give the pool more `slots`, \
             or the task fewer"
        );
        Some(FailureCause::new(FailureKind::Permanent, message))
    }

    /// Gives a ready task run its turn: in the queue, or behind the others of its group.
    pub(super) fn enqueue(&mut self, key: RunKey, id: TaskRunId) {
        let engine = &mut *self.engine;
        let Some(run) = engine.runs.get_mut(&key) else {
            return;
        };
        let turn = engine.queue.turn(run.priority(id.task));
        let concurrency = run.dag.tasks.get(id.task.get()).and_then(|t| t.concurrency);
        let Some(task) = run.tasks.get_mut(id.task.get()) else {
            return;
        };
        let Ok(claim) = task.claim else { return };
        let mut held = false;
        if let (Some(item), Some(group)) = (id.item, task.group.as_mut()) {
            held = concurrency.is_some_and(|most| group.admitted >= most.max(1));
            if held {
                group.held.insert(turn, item);
            } else {
                group.admitted += 1;
            }
        }
        if let Some(task_run) = task.get_mut(id.item) {
            task_run.phase = Phase::Ready { turn, held };
        }
        if !held {
            engine.queue.push(key, turn, claim, id);
        }
    }

    /// Takes a ready task run out of the queue, or out of those held back.
    pub(super) fn leave_queue(&mut self, key: RunKey, id: TaskRunId, turn: Turn, held: bool) {
        let engine = &mut *self.engine;
        let Some(task) = engine
            .runs
            .get_mut(&key)
            .and_then(|run| run.tasks.get_mut(id.task.get()))
        else {
            return;
        };
        match (held, task.claim, &mut task.group) {
            (true, _, Some(group)) => {
                group.held.remove(&turn);
            }
            (false, Ok(claim), _) => engine.queue.remove(key, turn, claim),
            _ => {}
        }
    }

    /// An item of a group makes room: the next one held back comes into the queue.
    pub(super) fn readmit(&mut self, key: RunKey, id: TaskRunId) {
        let engine = &mut *self.engine;
        let Some(task) = engine
            .runs
            .get_mut(&key)
            .and_then(|run| run.tasks.get_mut(id.task.get()))
        else {
            return;
        };
        let (Some(_), Some(group), Ok(claim)) = (id.item, task.group.as_mut(), task.claim) else {
            return;
        };
        group.admitted = group.admitted.saturating_sub(1);
        let Some((turn, item)) = group.held.pop_first() else {
            return;
        };
        group.admitted += 1;
        if let Some(next) = group.items.get_mut(item as usize) {
            next.phase = Phase::Ready { turn, held: false };
        }
        let next = TaskRunId {
            task: id.task,
            item: Some(item),
        };
        engine.queue.push(key, turn, claim, next);
    }

    pub(super) fn release(&mut self, key: RunKey, id: TaskRunId) {
        if let Some(claim) = self.claim(key, id) {
            self.engine.queue.release(key, claim);
        }
    }

    pub(super) fn claim(&self, key: RunKey, id: TaskRunId) -> Option<Claim> {
        self.engine.runs.get(&key)?.task(id.task)?.claim.ok()
    }

    /// Starts the next attempt of what the queue let go.
    pub(super) fn start(&mut self, key: RunKey, id: TaskRunId) {
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        let timeout = run.dag.tasks.get(id.task.get()).and_then(|t| t.timeout);
        let Some(task_run) = run.get_mut(id) else {
            return;
        };
        task_run.begin_attempt();
        let attempt = run.attempt(id);
        if run.state == RunState::Queued {
            self.change_run(key, RunState::Running);
        }
        let running = Phase::Running {
            started: self.now,
            deadline: timeout.map(|timeout| later(self.now, timeout)),
            ending: None,
        };
        self.change(key, id, &running, Notice::Record(None));
        self.actions.extend(attempt.map(Action::Dispatch));
    }
}
