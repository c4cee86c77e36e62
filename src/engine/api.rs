//! What goes into the engine and what comes out of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{
    AttemptId, AttemptResult, Dag, FailureCause, Json, Outcome, PoolId, RunId, RunSpec, RunState,
    TaskIndex, TaskRunSnapshot, Transition,
};

/// Something that happened outside.
#[derive(Debug, Clone)]
pub enum Event {
    /// A run was accepted and is durable.
    Triggered { run: Arc<RunSpec>, dag: Arc<Dag> },
    /// A run is taken over from a process that ended: its state as the store knows it.
    /// Attempts that were running are lost; what was ready is dispatched. A run that is here and has
    /// not ended is left as it is; one that has ended is kept until the next event about it, which
    /// belongs in the same call.
    Restored {
        run: Arc<RunSpec>,
        dag: Arc<Dag>,
        state: RunState,
        tasks: Vec<TaskRunSnapshot>,
    },
    /// The answer to [`Action::Prepare`].
    Prepared {
        run: RunId,
        task: TaskIndex,
        /// That of the action. An answer to an earlier question than the last is of no use.
        question: u64,
        answer: Prepared,
    },
    /// An attempt ended with an answer.
    AttemptFinished {
        attempt: AttemptId,
        result: AttemptResult,
    },
    /// An attempt ended without an answer.
    AttemptLost { attempt: AttemptId, message: String },
    /// A person wants the run to end now.
    CancelRequested { run: RunId },
    /// A person wants these tasks of a run, and all that come after them, to run again; an empty
    /// list: the tasks that failed, were cancelled or could not start. The run may have ended: its
    /// [`Event::Restored`] goes before. What runs is left alone. A task that had succeeded, and one
    /// whose inputs are made anew, gets a new generation, the others keep theirs; of a group that
    /// failed only the failed items run again.
    RetryRequested { run: RunId, tasks: Vec<TaskIndex> },
    /// A person wants one item of a `foreach` again that failed, and then what comes after its task.
    ItemRetryRequested {
        run: RunId,
        task: TaskIndex,
        item: u32,
    },
    /// A person decides how a task ended: success, failed or skipped; other outcomes change
    /// nothing. What runs is aborted, and ends so when it has stopped. The run may have ended: its
    /// [`Event::Restored`] goes before.
    Marked {
        run: RunId,
        task: TaskIndex,
        outcome: Outcome,
    },
    /// The time that [`Engine::next_wakeup`](super::Engine::next_wakeup) named has come.
    Wakeup,
}

/// What a dynamic task becomes.
#[derive(Debug, Clone, PartialEq)]
pub enum Prepared {
    /// No `foreach`, and `if` is absent or true.
    Run,
    /// `if` is false.
    Skip,
    /// One task run for each item; none: skipped.
    Items(Vec<Json>),
    /// `if` or `foreach` can't be evaluated.
    Fail(FailureCause),
}

/// Something for the caller to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Make this durable before acting on any other action of the batch.
    Record(Transition),
    /// Evaluate the task's `if` and `foreach`, and answer with [`Event::Prepared`].
    Prepare {
        run: RunId,
        task: TaskIndex,
        /// Tells this question from others about the same task.
        question: u64,
    },
    /// Start an attempt.
    Dispatch(AttemptId),
    /// End an attempt; its answer is still expected.
    Abort {
        attempt: AttemptId,
        reason: AbortReason,
    },
}

/// Why an attempt is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortReason {
    Cancelled,
    TimedOut,
}

/// How much may run at a time. A limit of 0 attempts counts as 1; a pool may have no slots.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Most attempts at a time in all; `None`: no limit.
    pub max_active_tasks: Option<u32>,
    /// Slots of each pool. A pool that isn't here has no limit.
    pub pools: BTreeMap<PoolId, u32>,
}
