//! What people ask of a run: to end it, to try again, to take an end as decided.

use super::change::Notice;
use super::scheduler::Step;
use super::state::{Ending, Phase, Run, RunKey, Task, TaskRun};
use crate::model::{Budget, Outcome, RunId, RunState, TaskIndex, TaskRunId};

impl Step<'_> {
    /// Ends a run: what waits at once, what runs when it has stopped.
    pub(super) fn cancel(&mut self, run: &RunId) {
        let Some((key, state)) = self.engine.run(run).map(|(key, run)| (key, run.state)) else {
            return;
        };
        match state {
            RunState::Queued | RunState::Running => {
                self.change_run(key, RunState::Cancelling);
                self.cancel_tasks(key);
            }
            RunState::Cancelling => {}
            RunState::Success | RunState::Failed | RunState::Cancelled => self.forget(key),
        }
    }

    pub(super) fn cancel_tasks(&mut self, key: RunKey) {
        let ids: Vec<TaskRunId> = match self.engine.runs.get(&key) {
            Some(run) => run.ids().collect(),
            None => return,
        };
        for id in ids {
            self.cancel_task_run(key, id);
        }
        self.ended.push(key);
    }

    fn cancel_task_run(&mut self, key: RunKey, id: TaskRunId) {
        let task_run = self.engine.runs.get(&key).and_then(|run| run.get(id));
        match task_run.map(|task_run| &task_run.phase) {
            Some(Phase::Waiting { .. } | Phase::Ready { .. } | Phase::RetryWait { .. }) => {
                self.finish(key, id, Outcome::Cancelled, None);
            }
            Some(Phase::Running { .. }) => self.abort(key, id, Ending::Cancelled),
            // A group ends with its items.
            Some(Phase::Expanded { .. } | Phase::Finished { .. }) | None => {}
        }
    }

    /// Takes a task's end as decided. What has come of it before stays as it is; see `retry`.
    pub(super) fn mark(&mut self, run: &RunId, task: TaskIndex, outcome: Outcome) {
        let Some((key, run)) = self.engine.run(run) else {
            return;
        };
        let decidable = matches!(
            outcome,
            Outcome::Success | Outcome::Failed(_) | Outcome::Skipped
        );
        let own = run.task(task).filter(|task| !task.left_out);
        let own = own.map(|task| &task.own.phase);
        let id = TaskRunId { task, item: None };
        match own {
            _ if !decidable || run.state == RunState::Cancelling => self.forget(key),
            None => self.forget(key),
            Some(Phase::Finished { outcome: now, .. }) if *now == outcome => self.forget(key),
            Some(Phase::Running { .. }) => self.abort(key, id, Ending::Marked(outcome)),
            Some(Phase::Expanded { .. }) => self.mark_group(key, task, outcome),
            Some(_) => {
                self.finish(key, id, outcome, None);
                self.ended.push(key);
            }
        }
    }

    /// Forgets a run that had ended, and of which nothing is wanted now.
    fn forget(&mut self, key: RunKey) {
        let run = self.engine.runs.get(&key);
        if run.is_some_and(|run| run.state.is_finished()) {
            self.engine.remove(key);
        }
    }

    fn mark_group(&mut self, key: RunKey, task: TaskIndex, outcome: Outcome) {
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        let Some(state) = run.tasks.get_mut(task.get()) else {
            return;
        };
        if let Phase::Expanded { marked } = &mut state.own.phase {
            *marked = Some(outcome);
        }
        for item in (0..state.item_count()).map(Some) {
            self.cancel_task_run(key, TaskRunId { task, item });
        }
    }

    /// Runs tasks again, with all that comes after them. What runs is left alone.
    pub(super) fn retry(&mut self, run: &RunId, named: &[TaskIndex]) {
        let Some((key, run)) = self.engine.run(run) else {
            return;
        };
        if run.state == RunState::Cancelling {
            return;
        }
        let plan = plan(run, named);
        self.carry_out(key, plan);
    }

    /// Runs one item of a group again, if it failed, with all that comes after the group.
    pub(super) fn retry_item(&mut self, run: &RunId, task: TaskIndex, item: u32) {
        let Some((key, run)) = self.engine.run(run) else {
            return;
        };
        if run.state == RunState::Cancelling {
            return;
        }
        let id = TaskRunId {
            task,
            item: Some(item),
        };
        let failed = run.get(id).is_some_and(has_failed);
        let own = run.task(task).map(|task| &task.own.phase);
        match own {
            Some(Phase::Expanded { marked: None }) if failed => self.item_again(key, id),
            Some(Phase::Finished { .. }) if failed => {
                let mut plan = plan(run, &[task]);
                if let Some((_, Again::FailedItems { only })) = plan.first_mut() {
                    *only = Some(item);
                    self.carry_out(key, plan);
                } else {
                    self.forget(key);
                }
            }
            _ => self.forget(key),
        }
    }

    fn carry_out(&mut self, key: RunKey, plan: Vec<(TaskIndex, Again)>) {
        if plan.is_empty() {
            return self.forget(key);
        }
        if let Some(run) = self.engine.runs.get(&key)
            && run.state.is_finished()
        {
            self.change_run(key, RunState::Running);
        }
        for (task, again) in plan {
            self.again(key, task, again);
        }
    }

    fn again(&mut self, key: RunKey, task: TaskIndex, again: Again) {
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        let Some(state) = run.tasks.get_mut(task.get()) else {
            return;
        };
        state.own.budget = Budget::default();
        let id = TaskRunId { task, item: None };
        match again {
            Again::Whole { renewed } => {
                if renewed {
                    state.own.renew();
                    state.group = None;
                }
                let waiting = Phase::Waiting { question: None };
                self.change(key, id, &waiting, Notice::Record(None));
            }
            Again::FailedItems { only } => {
                let items =
                    (0..state.item_count()).filter(|item| only.is_none_or(|own| own == *item));
                for item in items.map(Some) {
                    self.item_again(key, TaskRunId { task, item });
                }
                let expanded = Phase::Expanded { marked: None };
                self.change(key, id, &expanded, Notice::Record(None));
            }
        }
    }

    fn item_again(&mut self, key: RunKey, id: TaskRunId) {
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        if let Some(item) = run.get_mut(id)
            && has_failed(item)
        {
            item.budget = Budget::default();
            self.make_ready(key, id, None);
        }
    }
}

/// How a task runs again.
#[derive(Debug, Clone, Copy)]
enum Again {
    /// From its trigger rule on; in a new generation where something of the old one may have had
    /// its effect for other inputs.
    Whole { renewed: bool },
    /// Only those of its items that failed, or one of them.
    FailedItems { only: Option<u32> },
}

/// Which tasks run again, in the DAG's order.
fn plan(run: &Run, named: &[TaskIndex]) -> Vec<(TaskIndex, Again)> {
    let mut asked = vec![false; run.tasks.len()];
    for task in named {
        if let Some(asked) = asked.get_mut(task.get()) {
            *asked = true;
        }
    }
    // For each task: whether it comes again, and whether with a new generation.
    let mut comes = vec![(false, false); run.tasks.len()];
    let mut plan = Vec::new();
    for (index, task) in (0..).map(TaskIndex).zip(&run.tasks) {
        if task.left_out {
            continue;
        }
        let mut after = (false, false);
        for need in &run.dag.tasks[index.get()].needs {
            let (again, renewed) = comes.get(need.get()).copied().unwrap_or_default();
            after = (after.0 || again, after.1 || renewed);
        }
        let asked = match &task.own.phase {
            Phase::Finished { outcome, .. } if named.is_empty() => is_failure(outcome),
            phase => phase.is_finished() && asked[index.get()],
        };
        comes[index.get()] = after;
        if let Some(again) = how(task, asked, after) {
            let renewed = matches!(again, Again::Whole { renewed: true });
            comes[index.get()] = (true, after.1 || renewed);
            plan.push((index, again));
        }
    }
    plan
}

/// How one task runs again, if it does. `asked`: by itself; `after`: something it needs runs again,
/// and in a new generation.
fn how(task: &Task, asked: bool, after: (bool, bool)) -> Option<Again> {
    let (after, after_renewed) = after;
    let is_stale = after_renewed && task.own.attempts > 0;
    match &task.own.phase {
        Phase::Finished { outcome, .. } if asked || after => {
            let mut items = task.group.iter().flat_map(|group| &group.items);
            let some_failed = items.any(has_failed);
            if some_failed && is_failure(outcome) && !after {
                return Some(Again::FailedItems { only: None });
            }
            let renewed = *outcome == Outcome::Success || task.group.is_some() || is_stale;
            Some(Again::Whole { renewed })
        }
        Phase::Ready { .. } | Phase::RetryWait { .. } if after => {
            Some(Again::Whole { renewed: is_stale })
        }
        Phase::Waiting { .. } if after && is_stale => Some(Again::Whole { renewed: true }),
        _ => None,
    }
}

fn is_failure(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Failed(_) | Outcome::Cancelled | Outcome::UpstreamFailed
    )
}

fn has_failed(task_run: &TaskRun) -> bool {
    matches!(&task_run.phase, Phase::Finished { outcome, .. } if is_failure(outcome))
}
