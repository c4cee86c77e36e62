//! What a list of transitions comes to: for each row its last content, so that the number of rows
//! to write doesn't depend on how often they changed.

use std::collections::{HashMap, HashSet};

use crate::model::{
    Budget, Ended, Json, RunId, RunState, TaskIndex, TaskRunId, TaskState, Timestamp, Transition,
};

use super::{Owner, StoreError};

/// The rows that a list of transitions leaves behind.
#[derive(Debug, Default)]
pub(super) struct Change<'a> {
    /// Every run that is named, with who says so.
    pub(super) owners: Vec<(&'a RunId, &'a Owner)>,
    pub(super) runs: Vec<RunChange<'a>>,
    /// Tasks whose items are replaced.
    pub(super) expansions: Vec<(&'a RunId, TaskIndex)>,
    /// In the order in which they were first named. `None`: replaced by an expansion since.
    tasks: Vec<Option<TaskChange<'a>>>,
    pub(super) attempts: Vec<Attempt<'a>>,
    /// Task, item, generation and value of the items that expansions made.
    pub(super) items: Vec<(&'a RunId, TaskRunId, u32, &'a Json)>,
    places: HashMap<(&'a RunId, TaskRunId), usize>,
    run_places: HashMap<&'a RunId, usize>,
    known_owners: HashSet<(&'a RunId, &'a Owner)>,
}

/// A run's new state.
#[derive(Debug)]
pub(super) struct RunChange<'a> {
    pub(super) run: &'a RunId,
    pub(super) state: RunState,
    /// When it began to run, if that is among the transitions; an earlier stored time stays.
    pub(super) started: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
}

/// A task run's new state.
#[derive(Debug)]
pub(super) struct TaskChange<'a> {
    pub(super) run: &'a RunId,
    pub(super) id: TaskRunId,
    pub(super) generation: u32,
    pub(super) attempts: u32,
    pub(super) budget: Budget,
    pub(super) fence: u64,
    pub(super) state: State<'a>,
    /// When the first of its attempts that are named here started; an earlier stored time of the
    /// same generation stays.
    pub(super) started: Option<Timestamp>,
}

/// A state that is given, or that follows from an expansion.
#[derive(Debug)]
pub(super) enum State<'a> {
    Given(&'a TaskState),
    Made(TaskState),
}

impl State<'_> {
    pub(super) fn get(&self) -> &TaskState {
        match self {
            Self::Given(state) => state,
            Self::Made(state) => state,
        }
    }
}

/// An attempt that ended.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    pub(super) run: &'a RunId,
    pub(super) id: TaskRunId,
    pub(super) generation: u32,
    pub(super) ended: &'a Ended,
    pub(super) finished: Timestamp,
}

impl<'a> Change<'a> {
    /// Adds what `owner` says, after all that was added before.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when a transition is older than one before it.
    pub(super) fn add(
        &mut self,
        owner: &'a Owner,
        transitions: &'a [Transition],
    ) -> Result<(), StoreError> {
        // All of them first: who may say it is asked even when what he says makes no sense.
        for run in transitions.iter().map(Transition::run) {
            // Transitions come in long stretches of one run.
            if self.owners.last() != Some(&(run, owner)) && self.known_owners.insert((run, owner)) {
                self.owners.push((run, owner));
            }
        }
        for transition in transitions {
            match transition {
                Transition::Run { run, state, at } => self.add_run(run, *state, *at),
                Transition::Expanded {
                    run,
                    task,
                    generation,
                    items,
                    ..
                } => self.expand(run, *task, *generation, items)?,
                Transition::Task {
                    run,
                    task_run,
                    generation,
                    attempts,
                    budget,
                    fence,
                    state,
                    ended,
                    at,
                } => {
                    let mut started = ended.as_ref().map(|ended| ended.started);
                    if let TaskState::Running { started: now, .. } = state {
                        started = started.or(Some(*now));
                    }
                    self.put(TaskChange {
                        run,
                        id: *task_run,
                        generation: *generation,
                        attempts: *attempts,
                        budget: *budget,
                        fence: *fence,
                        state: State::Given(state),
                        started,
                    })?;
                    if let Some(ended) = ended {
                        self.attempts.push(Attempt {
                            run,
                            id: *task_run,
                            generation: *generation,
                            ended,
                            finished: *at,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// The task runs' new states.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &TaskChange<'a>> {
        self.tasks.iter().flatten()
    }

    fn add_run(&mut self, run: &'a RunId, state: RunState, at: Timestamp) {
        let started = (state == RunState::Running).then_some(at);
        let finished = state.is_finished().then_some(at);
        let place = *self.run_places.entry(run).or_insert(self.runs.len());
        match self.runs.get_mut(place) {
            Some(change) => {
                change.state = state;
                change.started = change.started.or(started);
                change.finished = finished;
            }
            None => self.runs.push(RunChange {
                run,
                state,
                started,
                finished,
            }),
        }
    }

    fn put(&mut self, mut change: TaskChange<'a>) -> Result<(), StoreError> {
        let place = self
            .places
            .entry((change.run, change.id))
            .or_insert(self.tasks.len());
        let Some(slot) = self.tasks.get_mut(*place) else {
            self.tasks.push(Some(change));
            return Ok(());
        };
        if let Some(known) = slot {
            if (change.generation, change.fence) < (known.generation, known.fence) {
                return Err(StoreError::Fenced {
                    run: change.run.clone(),
                });
            }
            if change.generation == known.generation {
                change.started = known.started.or(change.started);
            }
        }
        *slot = Some(change);
        Ok(())
    }

    fn expand(
        &mut self,
        run: &'a RunId,
        task: TaskIndex,
        generation: u32,
        items: &'a [Json],
    ) -> Result<(), StoreError> {
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let fresh = |item, state| TaskChange {
            run,
            id: TaskRunId { task, item },
            generation,
            attempts: 0,
            budget: Budget::default(),
            fence: 0,
            state: State::Made(state),
            started: None,
        };
        self.put(fresh(None, TaskState::Expanded { items: count }))?;
        if self.expansions.contains(&(run, task)) {
            self.items
                .retain(|(of, id, ..)| (*of, id.task) != (run, task));
        } else {
            self.expansions.push((run, task));
        }
        for slot in &mut self.tasks {
            if slot.as_ref().is_some_and(|change| {
                change.run == run && change.id.task == task && change.id.item.is_some()
            }) {
                *slot = None;
            }
        }
        self.tasks.reserve(items.len());
        for (item, value) in (0..).zip(items) {
            let change = fresh(Some(item), TaskState::Ready);
            self.items.push((run, change.id, generation, value));
            self.put(change)?;
        }
        Ok(())
    }
}
