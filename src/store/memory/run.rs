//! One run in memory.

use std::collections::BTreeMap;

use crate::model::{
    AttemptResult, Budget, Json, RunSpec, RunState, TaskIndex, TaskRunId, TaskRunSnapshot,
    TaskState, Timestamp, Transition,
};
use crate::store::{AttemptRow, NewRun, Owner, RunRow, StoredRun};

#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) spec: RunSpec,
    pub(super) owner: Owner,
    pub(super) state: RunState,
    pub(super) started: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
    pub(super) tasks: BTreeMap<TaskRunId, TaskRun>,
    /// The items of a `foreach` and the generation that they are of.
    pub(super) items: BTreeMap<TaskIndex, (u32, Vec<Json>)>,
    pub(super) attempts: BTreeMap<(TaskRunId, u32, u32), AttemptRow>,
}

#[derive(Debug, Clone)]
pub(super) struct TaskRun {
    pub(super) snapshot: TaskRunSnapshot,
    pub(super) started: Option<Timestamp>,
}

impl Run {
    pub(super) fn new(new: NewRun) -> Self {
        Self {
            spec: new.spec,
            owner: new.owner,
            state: RunState::Queued,
            started: None,
            finished: None,
            tasks: BTreeMap::new(),
            items: BTreeMap::new(),
            attempts: BTreeMap::new(),
        }
    }

    pub(super) fn apply(&mut self, transition: Transition) {
        match transition {
            Transition::Run { state, at, .. } => {
                self.state = state;
                if state == RunState::Running {
                    self.started.get_or_insert(at);
                }
                self.finished = state.is_finished().then_some(at);
            }
            Transition::Expanded {
                task,
                generation,
                items,
                ..
            } => self.expand(task, generation, items),
            Transition::Task {
                task_run: id,
                generation,
                attempts,
                budget,
                fence,
                state,
                ended,
                at,
                ..
            } => {
                let known = self.tasks.get(&id);
                let known = known.filter(|known| known.snapshot.generation == generation);
                let started = known.and_then(|known| known.started);
                let begun = match (&ended, &state) {
                    (Some(ended), _) => Some(ended.started),
                    (None, TaskState::Running { started, .. }) => Some(*started),
                    (None, _) => None,
                };
                let snapshot = TaskRunSnapshot {
                    id,
                    generation,
                    attempts,
                    budget,
                    fence,
                    state,
                };
                let started = started.or(begun);
                self.tasks.insert(id, TaskRun { snapshot, started });
                if let Some(ended) = ended {
                    let row = AttemptRow {
                        id,
                        generation,
                        number: ended.number,
                        started: ended.started,
                        finished: at,
                        result: ended.result,
                    };
                    let key = (id, generation, ended.number);
                    self.attempts.entry(key).or_insert(row);
                }
            }
        }
    }

    pub(super) fn expand(&mut self, task: TaskIndex, generation: u32, items: Vec<Json>) {
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        self.tasks
            .retain(|id, _| id.task != task || id.item.is_none());
        let group = (None, TaskState::Expanded { items: count });
        let items_ready = (0..count).map(|item| (Some(item), TaskState::Ready));
        for (item, state) in std::iter::once(group).chain(items_ready) {
            let id = TaskRunId { task, item };
            let known = self.tasks.get(&id);
            let known = known.filter(|known| known.snapshot.generation == generation);
            let started = known.and_then(|known| known.started);
            let snapshot = TaskRunSnapshot {
                id,
                generation,
                attempts: 0,
                budget: Budget::default(),
                fence: 0,
                state,
            };
            self.tasks.insert(id, TaskRun { snapshot, started });
        }
        self.items.insert(task, (generation, items));
    }

    /// A batch that is repeated may lead through an earlier generation back to the stored one:
    /// when that one started is not forgotten on the way. Items that it expands into are new.
    pub(super) fn keep_starts(&mut self, before: &Self, expanded: impl Fn(TaskIndex) -> bool) {
        for (id, known) in &before.tasks {
            if let Some(task) = self.tasks.get_mut(id)
                && (id.item.is_none() || !expanded(id.task))
                && task.snapshot.generation == known.snapshot.generation
            {
                task.started = known.started.or(task.started);
            }
        }
    }

    pub(super) fn generation(&self, task: TaskIndex) -> Option<u32> {
        let group = self.tasks.get(&TaskRunId { task, item: None })?;
        Some(group.snapshot.generation)
    }

    /// The task runs that something has happened to, without items of the past.
    pub(super) fn current(&self) -> impl Iterator<Item = &TaskRun> {
        self.tasks.values().filter(|TaskRun { snapshot, .. }| {
            let generation = self.generation(snapshot.id.task).unwrap_or(0);
            let plain = snapshot.state == TaskState::Waiting
                && (snapshot.generation, snapshot.attempts, snapshot.fence) == (0, 0, 0);
            !plain && (snapshot.id.item.is_none() || snapshot.generation >= generation)
        })
    }

    pub(super) fn items(&self, task: TaskIndex) -> Option<&Vec<Json>> {
        let (generation, items) = self.items.get(&task)?;
        (self.generation(task) == Some(*generation)).then_some(items)
    }

    pub(super) fn last_result(&self, task_run: &TaskRunSnapshot) -> Option<AttemptResult> {
        let (id, generation) = (task_run.id, task_run.generation);
        let mut attempts = self
            .attempts
            .range((id, generation, 0)..=(id, generation, u32::MAX));
        Some(attempts.next_back()?.1.result.clone())
    }

    pub(super) fn stored(&self) -> StoredRun {
        let items = self.items.keys().filter_map(|task| {
            let items = self.items(*task)?;
            (!items.is_empty()).then(|| (*task, items.clone()))
        });
        StoredRun {
            spec: self.spec.clone(),
            state: self.state,
            owner: self.owner.clone(),
            tasks: self.current().map(|t| t.snapshot.clone()).collect(),
            items: items.collect(),
        }
    }

    pub(super) fn row(&self) -> RunRow {
        let spec = self.spec.clone();
        RunRow {
            id: spec.id,
            dag: spec.dag,
            version: spec.version,
            state: self.state,
            trigger: spec.trigger,
            params: spec.params,
            interval: spec.interval,
            created: spec.created,
            started: self.started,
            finished: self.finished,
            owner: self.owner.clone(),
        }
    }
}
