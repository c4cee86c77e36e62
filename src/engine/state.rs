//! What the engine knows of a run. Only `change` moves a task run from one phase to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::queue::{Claim, Queue, Turn};
use super::rules::Needs;
use crate::model::{
    AttemptId, Budget, Dag, Outcome, RunSpec, RunState, TaskIndex, TaskRunId, TaskRunSnapshot,
    TaskState, Timestamp,
};

/// A run by a number that this engine gave it, in the order of their arrival.
pub(super) type RunKey = u64;

/// A run that has not ended, or that a person may begin again.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) spec: Arc<RunSpec>,
    pub(super) dag: Arc<Dag>,
    pub(super) state: RunState,
    pub(super) tasks: Vec<Task>,
    pub(super) tally: Tally,
    pub(super) dependents: Dependents,
}

/// How the tasks of a run stand; items aren't counted, their group is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) open: usize,
    /// Those whose failure is the run's.
    pub(super) failed: usize,
    pub(super) cancelled: usize,
}

/// A task of a run: its own task run, and its items.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) own: TaskRun,
    pub(super) needs: Needs,
    /// The run is limited to other tasks ([`RunSpec::only`]).
    pub(super) left_out: bool,
    /// What an attempt takes; `Err` holds all slots of a pool that can never give that many.
    pub(super) claim: Result<Claim, u32>,
    /// The items of its `foreach`, once it has become some.
    pub(super) group: Option<Box<Group>>,
}

/// The items of one `foreach`.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) items: Vec<TaskRun>,
    /// Items that have not ended.
    pub(super) open: u32,
    /// Items in the queue or running: at most the task's `concurrency`.
    pub(super) admitted: u32,
    /// Ready items that wait for the others of their group, in order.
    pub(super) held: BTreeMap<Turn, u32>,
}

/// What is executed: a task, or one item.
#[derive(Debug, Clone)]
pub(super) struct TaskRun {
    pub(super) generation: u32,
    pub(super) attempts: u32,
    pub(super) budget: Budget,
    pub(super) fence: u64,
    pub(super) phase: Phase,
}

/// [`TaskState`], with what only the engine knows of it.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    Waiting {
        /// The [`Action::Prepare`](super::Action::Prepare) that is out, if one is.
        question: Option<u64>,
    },
    Expanded {
        /// How a person decided that it ends, once its items have stopped.
        marked: Option<Outcome>,
    },
    Ready {
        turn: Turn,
        /// Not in the queue yet: too many items of its group are before it.
        held: bool,
    },
    Running {
        started: Timestamp,
        deadline: Option<Timestamp>,
        ending: Option<Ending>,
    },
    RetryWait {
        until: Timestamp,
    },
    Finished {
        outcome: Outcome,
        at: Timestamp,
    },
}

/// Why an attempt that still runs was told to end.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    TimedOut,
    Cancelled,
    Marked(Outcome),
}

impl Phase {
    pub(super) fn is_finished(&self) -> bool {
        matches!(self, Self::Finished { .. })
    }
}

impl TaskRun {
    /// One without attempts. Its fences begin above those of every older generation.
    pub(super) fn new(generation: u32, phase: Phase) -> Self {
        Self {
            generation,
            attempts: 0,
            budget: Budget::default(),
            fence: u64::from(generation) << 32,
            phase,
        }
    }

    /// Begins the next attempt's count.
    pub(super) fn begin_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
        let least = u64::from(self.generation) << 32;
        self.fence = self.fence.max(least).saturating_add(1);
    }

    /// Begins a new generation: no attempt of it has happened.
    pub(super) fn renew(&mut self) {
        self.generation = self.generation.saturating_add(1);
        self.attempts = 0;
    }
}

impl Task {
    /// Its state as others see it.
    pub(super) fn state(&self, item: Option<u32>) -> Option<TaskState> {
        let task_run = self.get(item)?;
        Some(match &task_run.phase {
            Phase::Waiting { .. } => TaskState::Waiting,
            Phase::Expanded { .. } => TaskState::Expanded {
                items: self.item_count(),
            },
            Phase::Ready { .. } => TaskState::Ready,
            Phase::Running {
                started, deadline, ..
            } => TaskState::Running {
                started: *started,
                deadline: *deadline,
            },
            Phase::RetryWait { until } => TaskState::RetryWait { until: *until },
            Phase::Finished { outcome, at } => TaskState::Finished {
                outcome: outcome.clone(),
                at: *at,
            },
        })
    }

    pub(super) fn item_count(&self) -> u32 {
        let items = self.group.as_ref().map_or(0, |group| group.items.len());
        u32::try_from(items).unwrap_or(u32::MAX)
    }

    pub(super) fn get(&self, item: Option<u32>) -> Option<&TaskRun> {
        match item {
            None => Some(&self.own),
            Some(item) => self.group.as_ref()?.items.get(item as usize),
        }
    }

    pub(super) fn get_mut(&mut self, item: Option<u32>) -> Option<&mut TaskRun> {
        match item {
            None => Some(&mut self.own),
            Some(item) => self.group.as_mut()?.items.get_mut(item as usize),
        }
    }
}

impl Run {
    /// A run in which nothing has happened.
    pub(super) fn new(spec: Arc<RunSpec>, dag: Arc<Dag>, state: RunState, queue: &Queue) -> Self {
        let mut only = spec.only.clone();
        if let Some(names) = &mut only {
            names.sort_unstable();
        }
        let left_out = |name: &str| {
            let is_in = |names: &Vec<String>| names.binary_search_by(|n| n.as_str().cmp(name));
            only.as_ref().is_some_and(|names| is_in(names).is_err())
        };
        let mut tasks: Vec<Task> = dag
            .tasks
            .iter()
            .map(|task| Task {
                own: TaskRun::new(0, Phase::Waiting { question: None }),
                needs: Needs::default(),
                left_out: left_out(task.id.as_str()),
                claim: queue.claim(task),
                group: None,
            })
            .collect();
        for (index, task) in dag.tasks.iter().enumerate() {
            // A need that isn't before the task can't be in a checked DAG.
            let counted = |need: &&TaskIndex| need.get() < index && !tasks[need.get()].left_out;
            let all = task.needs.iter().filter(counted).count();
            tasks[index].needs.all = u32::try_from(all).unwrap_or(u32::MAX);
        }
        let tally = Tally {
            open: tasks.len(),
            ..Tally::default()
        };
        Self {
            dependents: Dependents::new(&dag),
            spec,
            dag,
            state,
            tasks,
            tally,
        }
    }

    pub(super) fn task(&self, task: TaskIndex) -> Option<&Task> {
        self.tasks.get(task.get())
    }

    pub(super) fn get(&self, id: TaskRunId) -> Option<&TaskRun> {
        self.task(id.task)?.get(id.item)
    }

    pub(super) fn get_mut(&mut self, id: TaskRunId) -> Option<&mut TaskRun> {
        self.tasks.get_mut(id.task.get())?.get_mut(id.item)
    }

    /// The latest attempt of a task run.
    pub(super) fn attempt(&self, id: TaskRunId) -> Option<AttemptId> {
        let task_run = self.get(id)?;
        Some(AttemptId {
            run: self.spec.id.clone(),
            task_run: id,
            generation: task_run.generation,
            number: task_run.attempts,
            fence: task_run.fence,
        })
    }

    pub(super) fn priority(&self, task: TaskIndex) -> i64 {
        let own = self.dag.tasks.get(task.get()).map_or(0, |t| t.priority);
        i64::from(own) + i64::from(self.spec.priority)
    }

    /// Every task run: each task, followed by its items.
    pub(super) fn ids(&self) -> impl Iterator<Item = TaskRunId> {
        (0..).map(TaskIndex).zip(&self.tasks).flat_map(|(task, t)| {
            std::iter::once(None)
                .chain((0..t.item_count()).map(Some))
                .map(move |item| TaskRunId { task, item })
        })
    }

    pub(super) fn snapshot(&self, id: TaskRunId) -> Option<TaskRunSnapshot> {
        let task = self.task(id.task)?;
        let task_run = task.get(id.item)?;
        Some(TaskRunSnapshot {
            id,
            generation: task_run.generation,
            attempts: task_run.attempts,
            budget: task_run.budget,
            fence: task_run.fence,
            state: task.state(id.item)?,
        })
    }
}

/// Who needs whom, the other way round: one list for all, so that a large DAG costs two allocations.
#[derive(Debug)]
pub(super) struct Dependents {
    starts: Vec<usize>,
    tasks: Vec<TaskIndex>,
}

impl Dependents {
    fn new(dag: &Dag) -> Self {
        let mut starts = vec![0; dag.tasks.len() + 1];
        let edges = || {
            (0..).zip(&dag.tasks).flat_map(|(index, task)| {
                let before = task.needs.iter().filter(move |need| need.0 < index);
                before.map(move |need| (*need, TaskIndex(index)))
            })
        };
        for (need, _) in edges() {
            starts[need.get() + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut tasks = vec![TaskIndex(0); starts[dag.tasks.len()]];
        for (need, task) in edges() {
            tasks[next[need.get()]] = task;
            next[need.get()] += 1;
        }
        Self { starts, tasks }
    }

    /// The tasks that need `task`.
    pub(super) fn of(&self, task: TaskIndex) -> &[TaskIndex] {
        let at = |index: usize| self.starts.get(index).copied().unwrap_or(self.tasks.len());
        &self.tasks[at(task.get())..at(task.get() + 1)]
    }
}
