//! Why a task run does not run.

use super::queue::Obstacle;
use super::rules::{Verdict, judge};
use super::scheduler::Engine;
use super::state::{Phase, Run};
use crate::model::{Outcome, PoolId, RunId, TaskIndex, TaskRunId, Timestamp};

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

/// What decided how a task ended that did nothing itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndedBy {
    /// These tasks failed or were cancelled, here or further up.
    Failures(Vec<TaskIndex>),
    /// These tasks were skipped, here or further up, and no other reason is needed.
    Skips(Vec<TaskIndex>),
    /// The run is limited to other tasks.
    LeftOut,
    /// Its trigger rule can't hold although nothing it needs failed or was skipped.
    Rule,
    /// Its own `if` was false, its `foreach` empty, or it found nothing to do.
    Itself,
}

impl Engine {
    /// What decided that a task was skipped or could not start; `None` when it did run, has not
    /// ended, or isn't here.
    #[must_use]
    pub fn ended_by(&self, run: &RunId, task: TaskIndex) -> Option<EndedBy> {
        let (_, run) = self.run(run)?;
        let outcome = outcome_of(run, task)?;
        let found = run.task(task)?;
        let upstream = |wanted: fn(&Outcome) -> bool, through: &Outcome| {
            let mut roots = Vec::new();
            let mut open = vec![task];
            let mut seen = std::collections::BTreeSet::new();
            while let Some(at) = open.pop() {
                for need in needs_of(run, at).filter(|need| seen.insert(*need)) {
                    match outcome_of(run, need) {
                        Some(outcome) if outcome == through => {
                            // One that ended so by itself is the root.
                            let further =
                                judge(run.dag.task(need).rule, run.tasks[need.get()].needs);
                            if matches!(further, Verdict::Start | Verdict::Wait) {
                                roots.push(need);
                            } else {
                                open.push(need);
                            }
                        }
                        Some(outcome) if wanted(outcome) => roots.push(need),
                        _ => {}
                    }
                }
            }
            roots.sort_unstable();
            roots
        };
        match outcome {
            Outcome::UpstreamFailed => Some(EndedBy::Failures(upstream(
                |outcome| matches!(outcome, Outcome::Failed(_) | Outcome::Cancelled),
                &Outcome::UpstreamFailed,
            ))),
            Outcome::Skipped if found.left_out => Some(EndedBy::LeftOut),
            Outcome::Skipped => {
                let rule = run.dag.task(task).rule;
                if judge(rule, found.needs) != Verdict::Skip {
                    return Some(EndedBy::Itself);
                }
                let skips = upstream(|_| false, &Outcome::Skipped);
                Some(if skips.is_empty() {
                    EndedBy::Rule
                } else {
                    EndedBy::Skips(skips)
                })
            }
            _ => None,
        }
    }

    /// The task runs that have slots of a pool, with their runs.
    pub fn holders(&self, pool: &PoolId) -> impl Iterator<Item = (&RunId, TaskRunId)> {
        self.runs.values().flat_map(move |run| {
            let holds = move |id: &TaskRunId| {
                let task = run.dag.task(id.task);
                let running = run.get(*id).map(|found| &found.phase);
                matches!(running, Some(Phase::Running { .. }))
                    && task.pool.as_ref().is_some_and(|(own, _)| own == pool)
            };
            run.ids().filter(holds).map(|id| (&run.spec.id, id))
        })
    }
}

fn outcome_of(run: &Run, task: TaskIndex) -> Option<&Outcome> {
    match &run.task(task)?.own.phase {
        Phase::Finished { outcome, .. } => Some(outcome),
        _ => None,
    }
}

fn needs_of(run: &Run, task: TaskIndex) -> impl Iterator<Item = TaskIndex> {
    let needs = run.dag.tasks.get(task.get()).map(|task| task.needs.iter());
    let counted = |need: &TaskIndex| !run.tasks[need.get()].left_out;
    needs.into_iter().flatten().copied().filter(counted)
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
