//! Run state that ends with the process: for tests, and for runs that shall leave nothing behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::{
    AttemptResult, Budget, DagId, Json, RunId, RunSpec, RunState, TaskIndex, TaskRunId,
    TaskRunSnapshot, TaskState, Timestamp, Transition,
};

use super::{
    AttemptRow, Command, CommandKind, DagVersion, NewRun, Owner, RunFilter, RunRow, RunStore,
    StoreError, StoredRun, TaskRunRow, precision,
};

/// Run state in plain maps, with the same answers as a database.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    versions: HashMap<String, DagVersion>,
    runs: BTreeMap<RunId, Run>,
    commands: Vec<(Command, Timestamp)>,
}

#[derive(Debug, Clone)]
struct Run {
    spec: RunSpec,
    owner: Owner,
    state: RunState,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
    tasks: BTreeMap<TaskRunId, TaskRun>,
    /// The items of a `foreach` and the generation that they are of.
    items: BTreeMap<TaskIndex, (u32, Vec<Json>)>,
    attempts: BTreeMap<(TaskRunId, u32, u32), AttemptRow>,
}

#[derive(Debug, Clone)]
struct TaskRun {
    snapshot: TaskRunSnapshot,
    started: Option<Timestamp>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere doesn't make whole transactions half.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The runs as they are after the transitions.
    fn applied(
        &self,
        owner: &Owner,
        transitions: &[Transition],
    ) -> Result<BTreeMap<RunId, Run>, StoreError> {
        for transition in transitions {
            let run = self.run(transition.run())?;
            if run.owner != *owner {
                return Err(StoreError::NotOwner {
                    run: run.spec.id.clone(),
                    owner: run.owner.clone(),
                });
            }
        }
        self.check_fences(transitions)?;
        let mut changed = BTreeMap::new();
        for transition in transitions {
            let id = transition.run();
            if !changed.contains_key(id) {
                changed.insert(id.clone(), self.run(id)?.clone());
            }
            if let Some(run) = changed.get_mut(id) {
                run.apply(precision::transition(transition));
            }
        }
        Ok(changed)
    }

    /// Within the transitions, ages only grow; and what they lead to isn't older than what is
    /// stored. The ones on the way may be, so that transitions can be repeated.
    fn check_fences(&self, transitions: &[Transition]) -> Result<(), StoreError> {
        let mut ages: BTreeMap<(&RunId, TaskRunId), (u32, u64)> = BTreeMap::new();
        let mut replaced: BTreeSet<(&RunId, TaskIndex)> = BTreeSet::new();
        for transition in transitions {
            let (run, id, age) = match transition {
                Transition::Run { .. } => continue,
                Transition::Expanded {
                    run,
                    task,
                    generation,
                    ..
                } => {
                    replaced.insert((run, *task));
                    ages.retain(|(of, id), _| (*of, id.task) != (run, *task) || id.item.is_none());
                    let id = TaskRunId {
                        task: *task,
                        item: None,
                    };
                    (run, id, (*generation, 0))
                }
                Transition::Task {
                    run,
                    task_run,
                    generation,
                    fence,
                    ..
                } => (run, *task_run, (*generation, *fence)),
            };
            if ages.get(&(run, id)).is_some_and(|known| age < *known) {
                return Err(StoreError::Fenced { run: run.clone() });
            }
            ages.insert((run, id), age);
        }
        for ((run, id), age) in ages {
            if id.item.is_some() && replaced.contains(&(run, id.task)) {
                continue;
            }
            let stored = self.runs.get(run).and_then(|run| run.tasks.get(&id));
            let stored = stored.map(|t| (t.snapshot.generation, t.snapshot.fence));
            if stored.is_some_and(|stored| age < stored) {
                return Err(StoreError::Fenced { run: run.clone() });
            }
        }
        Ok(())
    }

    fn run(&self, id: &RunId) -> Result<&Run, StoreError> {
        self.runs
            .get(id)
            .ok_or_else(|| StoreError::UnknownRun(id.clone()))
    }
}

impl Run {
    fn new(new: NewRun) -> Self {
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

    fn apply(&mut self, transition: Transition) {
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

    fn expand(&mut self, task: TaskIndex, generation: u32, items: Vec<Json>) {
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

    fn generation(&self, task: TaskIndex) -> Option<u32> {
        let group = self.tasks.get(&TaskRunId { task, item: None })?;
        Some(group.snapshot.generation)
    }

    /// The task runs that something has happened to, without items of the past.
    fn current(&self) -> impl Iterator<Item = &TaskRun> {
        self.tasks.values().filter(|TaskRun { snapshot, .. }| {
            let generation = self.generation(snapshot.id.task).unwrap_or(0);
            let plain = snapshot.state == TaskState::Waiting
                && (snapshot.generation, snapshot.attempts, snapshot.fence) == (0, 0, 0);
            !plain && (snapshot.id.item.is_none() || snapshot.generation >= generation)
        })
    }

    fn items(&self, task: TaskIndex) -> Option<&Vec<Json>> {
        let (generation, items) = self.items.get(&task)?;
        (self.generation(task) == Some(*generation)).then_some(items)
    }

    fn last_result(&self, task_run: &TaskRunSnapshot) -> Option<AttemptResult> {
        let (id, generation) = (task_run.id, task_run.generation);
        let mut attempts = self
            .attempts
            .range((id, generation, 0)..=(id, generation, u32::MAX));
        Some(attempts.next_back()?.1.result.clone())
    }

    fn stored(&self) -> StoredRun {
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

    fn row(&self) -> RunRow {
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

fn at_most(limit: u32) -> usize {
    if limit == 0 {
        usize::MAX
    } else {
        limit as usize
    }
}

#[async_trait]
impl RunStore for MemoryStore {
    async fn put_version(&self, version: &DagVersion) -> Result<(), StoreError> {
        let mut state = self.state();
        let versions = &mut state.versions;
        if !versions.contains_key(&version.hash) {
            versions.insert(version.hash.clone(), version.clone());
        }
        Ok(())
    }

    async fn version(&self, hash: &str) -> Result<Option<DagVersion>, StoreError> {
        Ok(self.state().versions.get(hash).cloned())
    }

    async fn create_runs(&self, runs: &[NewRun]) -> Result<(), StoreError> {
        let mut state = self.state();
        let mut missing: BTreeMap<RunId, Run> = BTreeMap::new();
        for new in runs {
            let new = precision::new_run(new);
            let id = &new.spec.id;
            match state.runs.get(id).or_else(|| missing.get(id)) {
                Some(run) if run.spec == new.spec && run.owner == new.owner => {}
                Some(_) => return Err(StoreError::Exists(id.clone())),
                None => {
                    missing.insert(id.clone(), Run::new(new));
                }
            }
        }
        for new in runs {
            let version = &new.spec.version;
            if missing.contains_key(&new.spec.id) && !state.versions.contains_key(version) {
                return Err(StoreError::UnknownVersion(version.clone()));
            }
        }
        state.runs.append(&mut missing);
        Ok(())
    }

    async fn commit(&self, owner: &Owner, transitions: &[Transition]) -> Result<(), StoreError> {
        let mut state = self.state();
        let mut changed = state.applied(owner, transitions)?;
        state.runs.append(&mut changed);
        Ok(())
    }

    async fn adopt(
        &self,
        from: &Owner,
        to: &Owner,
        run: Option<&RunId>,
    ) -> Result<Vec<StoredRun>, StoreError> {
        let mut state = self.state();
        let mut taken = Vec::new();
        for (id, stored) in &mut state.runs {
            let wanted = match run {
                Some(run) => run == id,
                None => !stored.state.is_finished(),
            };
            if wanted && stored.owner == *from {
                stored.owner = to.clone();
                taken.push(stored.stored());
            }
        }
        Ok(taken)
    }

    async fn owners(&self) -> Result<Vec<(Owner, RunId, DagId)>, StoreError> {
        let state = self.state();
        let unfinished = state.runs.values().filter(|run| !run.state.is_finished());
        let mut owners: Vec<_> = unfinished
            .map(|run| {
                let spec = &run.spec;
                (run.owner.clone(), spec.id.clone(), spec.dag.clone())
            })
            .collect();
        owners.sort();
        Ok(owners)
    }

    async fn load(&self, run: &RunId) -> Result<Option<StoredRun>, StoreError> {
        Ok(self.state().runs.get(run).map(Run::stored))
    }

    async fn put_command(
        &self,
        run: &RunId,
        kind: &CommandKind,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        state.run(run)?;
        let command = Command {
            run: run.clone(),
            kind: kind.clone(),
        };
        let command = (command, precision::time(at));
        if !state.commands.contains(&command) {
            state.commands.push(command);
        }
        Ok(())
    }

    async fn take_commands(&self, owner: &Owner) -> Result<Vec<Command>, StoreError> {
        let mut state = self.state();
        let commands = std::mem::take(&mut state.commands);
        let (taken, left) = commands.into_iter().partition(|(command, _)| {
            let run = state.runs.get(&command.run);
            run.is_some_and(|run| run.owner == *owner)
        });
        state.commands = left;
        let taken: Vec<(Command, Timestamp)> = taken;
        Ok(taken.into_iter().map(|(command, _)| command).collect())
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        let state = self.state();
        let wanted = state.runs.values().rev().filter(|run| {
            filter.dag.as_ref().is_none_or(|dag| *dag == run.spec.dag)
                && (filter.states.is_empty() || filter.states.contains(&run.state))
                && filter.before.as_ref().is_none_or(|id| run.spec.id < *id)
        });
        Ok(wanted.take(at_most(filter.limit)).map(Run::row).collect())
    }

    async fn find_runs(&self, part: &str, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        let state = self.state();
        let found = state.runs.values().rev();
        let found = found.filter(|run| run.spec.id.as_str().contains(part));
        Ok(found.take(limit as usize).map(Run::row).collect())
    }

    async fn task_runs(&self, run: &RunId) -> Result<Vec<TaskRunRow>, StoreError> {
        let state = self.state();
        let Some(run) = state.runs.get(run) else {
            return Ok(Vec::new());
        };
        let rows = run
            .current()
            .map(|TaskRun { snapshot, started }| TaskRunRow {
                id: snapshot.id,
                generation: snapshot.generation,
                attempts: snapshot.attempts,
                state: snapshot.state.clone(),
                started: *started,
                result: run.last_result(snapshot),
            });
        Ok(rows.collect())
    }

    async fn attempts(
        &self,
        run: &RunId,
        task: Option<TaskIndex>,
    ) -> Result<Vec<AttemptRow>, StoreError> {
        let state = self.state();
        let Some(run) = state.runs.get(run) else {
            return Ok(Vec::new());
        };
        let rows = run.attempts.values();
        let rows = rows.filter(|row| task.is_none_or(|task| row.id.task == task));
        let mut rows: Vec<AttemptRow> = rows.cloned().collect();
        rows.sort_by_key(|row| (row.finished, row.id, row.generation, row.number));
        Ok(rows)
    }

    async fn results(
        &self,
        run: &RunId,
        task: TaskIndex,
    ) -> Result<Vec<(TaskRunId, AttemptResult)>, StoreError> {
        let state = self.state();
        let Some(run) = state.runs.get(run) else {
            return Ok(Vec::new());
        };
        let finished = run.current().map(|task_run| &task_run.snapshot);
        let finished = finished.filter(|t| t.id.task == task && t.state.is_finished());
        Ok(finished
            .filter_map(|t| Some((t.id, run.last_result(t)?)))
            .collect())
    }

    async fn items(&self, run: &RunId, task: TaskIndex) -> Result<Vec<Json>, StoreError> {
        let state = self.state();
        let items = state.runs.get(run).and_then(|run| run.items(task));
        Ok(items.cloned().unwrap_or_default())
    }

    async fn close(&self) {}
}
