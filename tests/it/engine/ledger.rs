//! What has been made durable: a plain replica of the state, built from transitions alone.
//!
//! It shares no code with the engine, and refuses every transition that the diagram doesn't have.

use std::collections::BTreeMap;
use std::sync::Arc;

use runner::model::{
    Budget, Dag, Outcome, RunId, RunSpec, RunState, TaskIndex, TaskRunId, TaskRunSnapshot,
    TaskState, Timestamp, Transition,
};

#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) runs: BTreeMap<RunId, Entry>,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) spec: Arc<RunSpec>,
    pub(crate) dag: Arc<Dag>,
    pub(crate) state: RunState,
    pub(crate) tasks: BTreeMap<TaskRunId, TaskRunSnapshot>,
}

pub(crate) fn own(task: usize) -> TaskRunId {
    TaskRunId {
        task: TaskIndex(u32::try_from(task).unwrap()),
        item: None,
    }
}

fn fresh(id: TaskRunId, generation: u32, state: TaskState) -> TaskRunSnapshot {
    TaskRunSnapshot {
        id,
        generation,
        attempts: 0,
        budget: Budget::default(),
        fence: u64::from(generation) << 32,
        state,
    }
}

impl Entry {
    pub(crate) fn new(spec: Arc<RunSpec>, dag: Arc<Dag>) -> Self {
        let ids = (0..dag.tasks.len()).map(own);
        Self {
            tasks: ids
                .map(|id| (id, fresh(id, 0, TaskState::Waiting)))
                .collect(),
            spec,
            dag,
            state: RunState::Queued,
        }
    }

    pub(crate) fn state(&self, id: TaskRunId) -> &TaskState {
        &self.tasks[&id].state
    }

    pub(crate) fn is_left_out(&self, task: usize) -> bool {
        let name = self.dag.tasks[task].id.as_str();
        let only = self.spec.only.as_ref();
        only.is_some_and(|only| !only.iter().any(|named| named == name))
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = TaskRunId> {
        let running = |t: &&TaskRunSnapshot| matches!(t.state, TaskState::Running { .. });
        self.tasks.values().filter(running).map(|t| t.id)
    }

    fn forget_items(&mut self, task: TaskIndex) {
        self.tasks
            .retain(|id, _| id.task != task || id.item.is_none());
    }

    pub(crate) fn snapshots(&self) -> Vec<TaskRunSnapshot> {
        self.tasks.values().cloned().collect()
    }
}

impl Ledger {
    pub(crate) fn add(&mut self, spec: &Arc<RunSpec>, dag: &Arc<Dag>) {
        let entry = Entry::new(spec.clone(), dag.clone());
        self.runs.insert(spec.id.clone(), entry);
    }

    /// Takes a task run as ready, before it is recorded.
    pub(crate) fn wait_ready(&mut self, run: &RunId, id: TaskRunId) {
        let entry = self.runs.get_mut(run).expect("a known run");
        entry.tasks.get_mut(&id).expect("a known task run").state = TaskState::Ready;
    }

    pub(crate) fn apply(&mut self, transition: &Transition) {
        let entry = self.runs.get_mut(transition.run()).expect("a known run");
        match transition {
            Transition::Run { state, .. } => {
                assert!(
                    run_may_become(entry.state, *state),
                    "run {} ▶ {state}",
                    entry.state
                );
                if state.is_finished() {
                    assert_eq!(*state, end_state(entry), "the run's end");
                }
                entry.state = *state;
            }
            Transition::Expanded {
                task,
                generation,
                items,
                ..
            } => expand(entry, *task, *generation, items.len()),
            Transition::Task {
                task_run,
                generation,
                attempts,
                budget,
                fence,
                state,
                ended,
                at,
                ..
            } => {
                let was = entry.tasks.get_mut(task_run).expect("a known task run");
                let is_item = task_run.item.is_some();
                assert!(
                    may_become(&was.state, state, is_item),
                    "{task_run:?}: {:?} ▶ {state:?}",
                    was.state
                );
                check_counts(was, *generation, *attempts, *fence, state);
                let had_attempt = matches!(was.state, TaskState::Running { .. });
                let is_mark = matches!(state, TaskState::Finished { .. });
                assert!(ended.is_none() || had_attempt, "an attempt ends once");
                assert!(ended.is_some() || !had_attempt || is_mark, "no answer kept");
                check_wait(was, state, *at);
                let is_renewed = *generation > was.generation;
                *was = TaskRunSnapshot {
                    id: *task_run,
                    generation: *generation,
                    attempts: *attempts,
                    budget: *budget,
                    fence: *fence,
                    state: state.clone(),
                };
                if is_renewed {
                    entry.forget_items(task_run.task);
                }
            }
        }
    }
}

fn expand(entry: &mut Entry, task: TaskIndex, generation: u32, items: usize) {
    let group = TaskRunId { task, item: None };
    let own = entry.tasks.get_mut(&group).expect("a known task");
    assert_eq!(own.state, TaskState::Waiting, "only what waits expands");
    assert_eq!(own.generation, generation);
    assert!(items > 0, "an empty group is skipped");
    let count = u32::try_from(items).unwrap();
    own.state = TaskState::Expanded { items: count };
    entry.forget_items(task);
    for item in (0..count).map(Some) {
        let id = TaskRunId { task, item };
        entry
            .tasks
            .insert(id, fresh(id, generation, TaskState::Ready));
    }
}

/// The closed list of arrows.
fn may_become(from: &TaskState, to: &TaskState, is_item: bool) -> bool {
    use TaskState::{Expanded, Finished, Ready, RetryWait, Running, Waiting};
    match (from, to) {
        (Waiting, Ready | Running { .. } | Waiting)
        | (Ready | RetryWait { .. } | Finished { .. }, Waiting)
        | (Finished { .. }, Expanded { .. })
        | (Expanded { .. }, Finished { .. }) => !is_item,
        (Finished { .. }, Ready | Running { .. }) => is_item,
        (Ready, Running { .. })
        | (Running { .. }, RetryWait { .. } | Ready)
        | (RetryWait { .. }, Ready | Running { .. })
        | (
            Waiting | Ready | Running { .. } | RetryWait { .. } | Finished { .. },
            Finished { .. },
        ) => true,
        _ => false,
    }
}

fn run_may_become(from: RunState, to: RunState) -> bool {
    use RunState::{Cancelled, Cancelling, Failed, Queued, Running, Success};
    match from {
        Queued => matches!(to, Running | Cancelling | Success | Failed | Cancelled),
        Running => matches!(to, Cancelling | Success | Failed | Cancelled),
        Cancelling => to == Cancelled,
        Success | Failed | Cancelled => {
            matches!(to, Running | Success | Failed | Cancelled) && from != to
        }
    }
}

/// Generations, numbers and fences only grow, and an attempt begins with exactly one more.
fn check_counts(
    was: &TaskRunSnapshot,
    generation: u32,
    attempts: u32,
    fence: u64,
    state: &TaskState,
) {
    let id = was.id;
    let renewed = generation == was.generation + 1;
    assert!(renewed || generation == was.generation, "{id:?} generation");
    if matches!(state, TaskState::Running { .. }) {
        assert_eq!(attempts, was.attempts + 1, "{id:?} number");
        assert!(fence > was.fence, "{id:?} fence");
    } else {
        let expected = if renewed { 0 } else { was.attempts };
        assert_eq!(attempts, expected, "{id:?} number");
        assert_eq!(fence, was.fence, "{id:?} fence");
    }
    assert!(
        !renewed || *state == TaskState::Waiting,
        "a generation begins by waiting"
    );
}

/// A wait ends when it is over; a person alone ends it before.
fn check_wait(was: &TaskRunSnapshot, state: &TaskState, at: Timestamp) {
    if let (TaskState::RetryWait { until }, TaskState::Ready | TaskState::Running { .. }) =
        (&was.state, state)
    {
        assert!(at >= *until, "{:?} starts before its wait is over", was.id);
    }
}

/// How a run ends, told from its tasks.
pub(crate) fn end_state(entry: &Entry) -> RunState {
    let mut cancelled = entry.state == RunState::Cancelling;
    let mut failed = false;
    for (task, policy) in entry.dag.tasks.iter().enumerate() {
        match entry.state(own(task)) {
            TaskState::Finished { outcome, .. } => match outcome {
                Outcome::Cancelled => cancelled = true,
                Outcome::UpstreamFailed => failed = true,
                Outcome::Failed(_) => failed |= !policy.continue_on_failure,
                Outcome::Success | Outcome::Skipped => {}
            },
            other => panic!("the run ends, and task {task} is {other:?}"),
        }
    }
    match (cancelled, failed) {
        (true, _) => RunState::Cancelled,
        (false, true) => RunState::Failed,
        (false, false) => RunState::Success,
    }
}
