//! What the engine knows of a DAG: its tasks, their dependencies and their policies.

use std::time::Duration;

use super::{DagId, PoolId, RetryPolicy, TaskId, TaskIndex, TriggerRule};

/// A checked DAG. Its tasks are in topological order: a task's `needs` have smaller indexes.
#[derive(Debug, Clone, PartialEq)]
pub struct Dag {
    pub id: DagId,
    pub tasks: Vec<Task>,
    /// Most attempts of one run of this DAG at a time.
    pub max_active_tasks: Option<u32>,
}

/// A task as the scheduler sees it. What it does is none of the engine's business.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub id: TaskId,
    /// The tasks this one waits for; each index is smaller than this task's own.
    pub needs: Vec<TaskIndex>,
    /// Which ends of `needs` let it start.
    pub rule: TriggerRule,
    /// It has `if` or `foreach`: what it becomes is asked of the outside when its rule holds.
    pub dynamic: bool,
    pub retry: RetryPolicy,
    /// Longest duration of one attempt.
    pub timeout: Option<Duration>,
    /// The pool it takes slots from, and how many.
    pub pool: Option<(PoolId, u32)>,
    /// Larger starts first among what is ready.
    pub priority: i32,
    /// Most items of this task's `foreach` at a time.
    pub concurrency: Option<u32>,
    /// Its failure counts as success for the tasks that need it and for the run.
    pub continue_on_failure: bool,
    /// It only waits for other runs: its attempts are none of those that may run at a time, and take
    /// no slots, so that what it waits for has room.
    pub waits: bool,
}

impl Dag {
    /// The index of a task by its name.
    #[must_use]
    pub fn index_of(&self, task: &str) -> Option<TaskIndex> {
        let at = self.tasks.iter().position(|t| t.id.as_str() == task)?;
        u32::try_from(at).ok().map(TaskIndex)
    }

    /// The task at `index`.
    ///
    /// # Panics
    /// When `index` is not of this DAG.
    #[must_use]
    pub fn task(&self, index: TaskIndex) -> &Task {
        &self.tasks[index.get()]
    }
}
