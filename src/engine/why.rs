//! Why a task run does not run.

use super::queue::Obstacle;
use super::scheduler::Engine;
use super::state::{Phase, Run};
use crate::model::{PoolId, RunId, TaskIndex, TaskRunId, Timestamp};

/// What a task run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// These tasks have not ended.
    Needs(Vec<TaskIndex>),
    /// What it becomes (`if`, `foreach`) is being found out.
    Preparing,
    /// So many of its items have not ended.
    Items(u32),
    /// Its group has as many items at work as its `concurrency` allows.
    Concurrency(u32),
    /// The run has as many attempts at work as its DAG's `max_active_tasks` allows.
    RunLimit(u32),
    /// The pool has too few free slots for it, or for one whose turn comes before.
    Pool { pool: PoolId, slots: u32, used: u32 },
    /// As many attempts are at work as may be in all.
    Limit(u32),
    /// The next attempt starts then.
    Until(Timestamp),
}

impl Engine {
    /// What a task run waits for; `None` when it runs, has ended, or isn't here.
    #[must_use]
    pub fn why(&self, run: &RunId, task_run: TaskRunId) -> Option<Why> {
        let (key, run) = self.run(run)?;
        let task = run.task(task_run.task)?;
        match &run.get(task_run)?.phase {
            Phase::Waiting { question: Some(_) } => Some(Why::Preparing),
            Phase::Waiting { .. } => Some(Why::Needs(open_needs(run, task_run.task))),
            Phase::Expanded { .. } => Some(Why::Items(task.group.as_ref()?.open)),
            Phase::Ready { held: true, .. } => {
                Some(Why::Concurrency(task.group.as_ref()?.admitted))
            }
            Phase::Ready { .. } => Some(match self.queue.obstacle(key, task.claim.ok()?) {
                Obstacle::Run(most) => Why::RunLimit(most),
                Obstacle::All(most) => Why::Limit(most),
                Obstacle::Pool { slots, used } => Why::Pool {
                    pool: run.dag.tasks.get(task_run.task.get())?.pool.clone()?.0,
                    slots,
                    used,
                },
            }),
            Phase::RetryWait { until } => Some(Why::Until(*until)),
            Phase::Running { .. } | Phase::Finished { .. } => None,
        }
    }
}

fn open_needs(run: &Run, task: TaskIndex) -> Vec<TaskIndex> {
    let is_open = |need: &&TaskIndex| {
        run.task(**need)
            .is_some_and(|task| !task.left_out && !task.own.phase.is_finished())
    };
    let needs = run.dag.tasks.get(task.get()).map(|task| &task.needs);
    needs
        .into_iter()
        .flatten()
        .filter(is_open)
        .copied()
        .collect()
}
