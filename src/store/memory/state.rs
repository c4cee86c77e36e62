//! Run state that ends with the process: for tests, and for runs that shall leave nothing behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::engine::plan::Memory;
use crate::model::{
    AttemptResult, DagId, Json, RunId, RunSpec, TaskIndex, TaskRunId, Timestamp, Transition,
    TriggerKind,
};

use crate::store::{
    Admission, AttemptRow, Call, Command, CommandKind, DagVersion, Decided, Failing, NewRun,
    Notice, NoticeLimit, Owner, Past, RunFilter, RunRow, RunStore, ScheduleRow, SkippedTicks,
    StoreError, StoredRun, TaskRunRow, Thing, ThingChange, precision,
};

use super::notices::Notices;
use super::past::past_runs;
use super::run::{Run, TaskRun};

/// Run state in plain maps, with the same answers as a database.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    versions: HashMap<String, DagVersion>,
    runs: BTreeMap<RunId, Run>,
    commands: Vec<Command>,
    schedules: BTreeMap<DagId, ScheduleRow>,
    /// By DAG and first tick.
    skipped: BTreeMap<(DagId, Timestamp), SkippedTicks>,
    notices: Notices,
    /// By DAG and name: the stamp.
    things: BTreeMap<(DagId, String), String>,
    calls: Vec<Call>,
    removed: BTreeSet<RunId>,
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
        for (id, run) in &mut changed {
            run.keep_starts(self.run(id)?);
        }
        Ok(changed)
    }

    /// Within the transitions, ages only grow; and what they lead to isn't older than what is
    /// stored. The ones on the way may be, so that transitions can be repeated.
    fn check_fences(&self, transitions: &[Transition]) -> Result<(), StoreError> {
        let mut ages: BTreeMap<(&RunId, TaskRunId), (u32, u64)> = BTreeMap::new();
        let mut replaced: BTreeSet<(&RunId, TaskIndex)> = BTreeSet::new();
        for transition in transitions {
            let run = transition.run();
            let mut grow = |id, age| match ages.insert((run, id), age) {
                Some(known) if age < known => Err(StoreError::Fenced { run: run.clone() }),
                _ => Ok(()),
            };
            match transition {
                Transition::Run { .. } => {}
                Transition::Task {
                    task_run,
                    generation,
                    fence,
                    ..
                } => grow(*task_run, (*generation, *fence))?,
                Transition::Expanded {
                    task,
                    generation,
                    items,
                    ..
                } => {
                    let (task, age) = (*task, (*generation, 0));
                    grow(TaskRunId { task, item: None }, age)?;
                    replaced.insert((run, task));
                    ages.retain(|(of, id), _| (*of, id.task) != (run, task) || id.item.is_none());
                    for (item, _) in (0..).zip(items) {
                        let item = Some(item);
                        ages.insert((run, TaskRunId { task, item }), age);
                    }
                }
            }
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

    /// Those of the runs that aren't there yet.
    fn missing(&self, runs: &[NewRun]) -> Result<BTreeMap<RunId, Run>, StoreError> {
        let mut missing: BTreeMap<RunId, Run> = BTreeMap::new();
        for new in runs {
            let new = precision::new_run(new);
            let id = &new.spec.id;
            match self.runs.get(id).or_else(|| missing.get(id)) {
                Some(run) if run.spec == new.spec && run.owner == new.owner => {}
                Some(_) => return Err(StoreError::Exists(id.clone())),
                None => {
                    missing.insert(id.clone(), Run::new(new));
                }
            }
        }
        for new in runs {
            let version = &new.spec.version;
            if missing.contains_key(&new.spec.id) && !self.versions.contains_key(version) {
                return Err(StoreError::UnknownVersion(version.clone()));
            }
        }
        Ok(missing)
    }

    fn schedule(&mut self, dag: &DagId) -> &mut ScheduleRow {
        self.schedules
            .entry(dag.clone())
            .or_insert_with(|| ScheduleRow {
                dag: dag.clone(),
                paused: false,
                memory: Memory::default(),
            })
    }

    fn run(&self, id: &RunId) -> Result<&Run, StoreError> {
        self.runs
            .get(id)
            .ok_or_else(|| StoreError::UnknownRun(id.clone()))
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
        let mut missing = state.missing(runs)?;
        state.runs.append(&mut missing);
        Ok(())
    }

    async fn commit_all(
        &self,
        owner: &Owner,
        transitions: &[Transition],
        heard: &[Command],
        notices: &[Notice],
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let mut changed = state.applied(owner, transitions)?;
        state.runs.append(&mut changed);
        let State { commands, runs, .. } = &mut *state;
        let own = |run: &RunId| runs.get(run).is_some_and(|run| run.owner == *owner);
        commands.retain(|command| {
            let named = heard.iter().any(|heard| {
                let at = precision::time(heard.at);
                (&heard.run, &heard.kind, at) == (&command.run, &command.kind, command.at)
            });
            !(named && own(&command.run))
        });
        for notice in notices {
            state.notices.add(notice);
        }
        Ok(())
    }

    async fn notices(&self) -> Result<Vec<Notice>, StoreError> {
        Ok(self.state().notices.all())
    }

    async fn take_notice(&self, notice: &Notice, to: &Owner) -> Result<bool, StoreError> {
        Ok(self.state().notices.take(notice, to))
    }

    async fn admit_notice(
        &self,
        notice: &Notice,
        limit: NoticeLimit,
    ) -> Result<Admission, StoreError> {
        Ok(self.state().notices.admit(notice, limit))
    }

    async fn try_notice(&self, notice: &Notice, tries: u32) -> Result<(), StoreError> {
        self.state().notices.tried(notice, tries);
        Ok(())
    }

    async fn settle_notice(&self, notice: &Notice) -> Result<(), StoreError> {
        self.state().notices.settle(notice);
        Ok(())
    }

    async fn failing(&self, dag: &DagId) -> Result<Option<Failing>, StoreError> {
        Ok(self.state().notices.failing(dag))
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
            at: precision::time(at),
        };
        if !state.commands.contains(&command) {
            state.commands.push(command);
        }
        Ok(())
    }

    async fn commands(&self, owner: &Owner) -> Result<Vec<Command>, StoreError> {
        let state = self.state();
        let own = |run| state.runs.get(run).is_some_and(|run| run.owner == *owner);
        let commands = state.commands.iter();
        Ok(commands.filter(|left| own(&left.run)).cloned().collect())
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

    async fn decide(&self, decided: &Decided) -> Result<(), StoreError> {
        let mut state = self.state();
        let mut missing = state.missing(&decided.runs)?;
        let tick = |spec: &RunSpec| {
            let scheduled = spec.trigger == TriggerKind::Schedule;
            scheduled.then(|| (spec.dag.clone(), spec.logical_time))
        };
        let known: BTreeSet<_> = state
            .runs
            .values()
            .filter_map(|run| tick(&run.spec))
            .collect();
        for run in missing.values() {
            if tick(&run.spec).is_some_and(|tick| known.contains(&tick)) {
                return Err(StoreError::Exists(run.spec.id.clone()));
            }
        }
        state.runs.append(&mut missing);
        for skipped in &decided.skipped {
            let skipped = SkippedTicks {
                first: precision::time(skipped.first),
                last: precision::time(skipped.last),
                ..skipped.clone()
            };
            let key = (skipped.dag.clone(), skipped.first);
            state.skipped.entry(key).or_insert(skipped);
        }
        for (dag, memory) in &decided.memories {
            state.schedule(dag).memory = memory.clone();
        }
        for notice in &decided.notices {
            state.notices.add(notice);
        }
        for change in decided.things.iter().cloned() {
            match change {
                ThingChange::Keep(Thing { dag, name, stamp }) => {
                    state.things.insert((dag, name), stamp);
                }
                ThingChange::Forget { dag, name } => _ = state.things.remove(&(dag, name)),
            }
        }
        for (dag, id) in &decided.answered {
            state
                .calls
                .retain(|call| (&call.dag, &call.id) != (dag, id));
        }
        Ok(())
    }

    async fn things(&self) -> Result<Vec<Thing>, StoreError> {
        let state = self.state();
        let things = state.things.iter();
        Ok(things
            .map(|((dag, name), stamp)| Thing {
                dag: dag.clone(),
                name: name.clone(),
                stamp: stamp.clone(),
            })
            .collect())
    }

    async fn put_call(&self, call: &Call) -> Result<(), StoreError> {
        let mut state = self.state();
        let known = |one: &Call| (&one.dag, &one.id) == (&call.dag, &call.id);
        if !state.calls.iter().any(known) {
            let at = precision::time(call.at);
            state.calls.push(Call { at, ..call.clone() });
        }
        Ok(())
    }

    async fn calls(&self) -> Result<Vec<Call>, StoreError> {
        Ok(self.state().calls.clone())
    }

    async fn schedules(&self) -> Result<Vec<ScheduleRow>, StoreError> {
        Ok(self.state().schedules.values().cloned().collect())
    }

    async fn set_paused(&self, dag: &DagId, paused: bool) -> Result<(), StoreError> {
        self.state().schedule(dag).paused = paused;
        Ok(())
    }

    async fn skipped(
        &self,
        dag: Option<&DagId>,
        limit: u32,
    ) -> Result<Vec<SkippedTicks>, StoreError> {
        let state = self.state();
        let wanted = state.skipped.values();
        let wanted = wanted.filter(|skipped| dag.is_none_or(|dag| *dag == skipped.dag));
        let mut found: Vec<SkippedTicks> = wanted.cloned().collect();
        found.sort_by(|a, b| (b.last, &b.dag).cmp(&(a.last, &a.dag)));
        found.truncate(at_most(limit));
        Ok(found)
    }

    async fn dags(&self) -> Result<Vec<DagId>, StoreError> {
        let state = self.state();
        let dags: BTreeSet<&DagId> = state.runs.values().map(|run| &run.spec.dag).collect();
        Ok(dags.into_iter().cloned().collect())
    }

    async fn runs_by_id(&self, runs: &[RunId]) -> Result<Vec<RunRow>, StoreError> {
        let state = self.state();
        let found = runs.iter().filter_map(|run| state.runs.get(run));
        Ok(found.map(Run::row).collect())
    }

    async fn past_runs(&self, past: &Past) -> Result<Vec<RunId>, StoreError> {
        Ok(past_runs(&self.state().runs, past))
    }

    async fn remove_runs(&self, runs: &[RunId]) -> Result<Vec<RunId>, StoreError> {
        let mut state = self.state();
        let told = state.notices.all();
        let wanted = |run: &RunId| {
            let ended = state
                .runs
                .get(run)
                .is_some_and(|run| run.state.is_finished());
            ended
                && !state.commands.iter().any(|command| command.run == *run)
                && !told.iter().any(|notice| notice.run == *run)
        };
        let gone: Vec<RunId> = runs.iter().filter(|run| wanted(run)).cloned().collect();
        for run in &gone {
            state.runs.remove(run);
            state.removed.insert(run.clone());
        }
        Ok(gone)
    }

    async fn removed_runs(&self, limit: u32) -> Result<Vec<RunId>, StoreError> {
        let state = self.state();
        let removed = state.removed.iter().take(limit as usize);
        Ok(removed.cloned().collect())
    }

    async fn forget_removed(&self, runs: &[RunId]) -> Result<(), StoreError> {
        self.state().removed.retain(|run| !runs.contains(run));
        Ok(())
    }

    async fn vacuum(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn close(&self) {}
}
