//! Run state that ends with the process: for tests, and for runs that shall leave nothing behind.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::{
    AttemptResult, DagId, Json, RunId, RunSpec, RunState, TaskIndex, TaskRunId, Timestamp,
    Transition,
};

use crate::store::{
    Admission, AtWork, AttemptRow, Call, Command, CommandKind, DagVersion, Decided, Failing,
    NewRun, Notice, NoticeLimit, Owner, Past, RunFilter, RunRow, RunStore, ScheduleRow,
    SkippedTicks, StoreError, StoredRun, Tally, TaskRunRow, TaskTimes, Thing, precision,
};

use super::account::Accounts;
use super::past::{ended_since, last_ends, latest_runs, past_runs, past_skips, task_times};
use super::rules::State;
use super::run::{Run, TaskRun};
use super::tally::at_work;

/// Run state in plain maps, with the same answers as a database.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    pub(super) accounts: Mutex<Accounts>,
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

fn at_most(limit: u32) -> usize {
    if limit == 0 {
        usize::MAX
    } else {
        limit as usize
    }
}

#[async_trait]
impl RunStore for MemoryStore {
    async fn version(&self, hash: &str) -> Result<Option<DagVersion>, StoreError> {
        Ok(self.state().versions.get(hash).cloned())
    }

    async fn begin(&self, versions: &[DagVersion], runs: &[NewRun]) -> Result<(), StoreError> {
        self.state().begin(versions, runs)
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
        let State { tallies, runs, .. } = &mut *state;
        for (id, after) in &changed {
            if let Some(before) = runs.get(id) {
                tallies.add(before, after);
            }
        }
        runs.append(&mut changed);
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

    async fn specs(&self, runs: &[RunId]) -> Result<Vec<RunSpec>, StoreError> {
        let state = self.state();
        let found = runs.iter().filter_map(|run| state.runs.get(run));
        Ok(found.map(|run| run.spec.clone()).collect())
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
                && run.spec.id.as_str().starts_with(&filter.prefix)
        });
        Ok(wanted.take(at_most(filter.limit)).map(Run::row).collect())
    }

    async fn find_runs(&self, part: &str, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        let state = self.state();
        if let Some(whole) = state.runs.get(part) {
            return Ok(vec![whole.row()]);
        }
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
        self.state().decide(decided)
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

    async fn last_ends(&self, dags: &[DagId]) -> Result<Vec<(DagId, RunState)>, StoreError> {
        Ok(last_ends(&self.state().runs, dags))
    }

    async fn ended_since(
        &self,
        dags: &[(DagId, Timestamp)],
        most: u32,
    ) -> Result<Vec<RunRow>, StoreError> {
        Ok(ended_since(&self.state().runs, dags, most))
    }

    async fn begun_elsewhere(&self, own: &Owner, from: &RunId) -> Result<Vec<RunRow>, StoreError> {
        let state = self.state();
        let begun = state.runs.range(from.clone()..).map(|(_, run)| run);
        let elsewhere = begun.filter(|run| run.owner != *own);
        Ok(elsewhere.map(Run::row).collect())
    }

    async fn latest_runs(
        &self,
        dags: &[DagId],
        most: u32,
        ended: bool,
    ) -> Result<Vec<RunRow>, StoreError> {
        Ok(latest_runs(&self.state().runs, dags, most, ended))
    }

    async fn task_times(&self, dags: &[DagId], most: u32) -> Result<Vec<TaskTimes>, StoreError> {
        Ok(task_times(&self.state().runs, dags, most))
    }

    async fn tallies(&self) -> Result<Vec<Tally>, StoreError> {
        Ok(self.state().tallies.all())
    }

    async fn at_work(&self) -> Result<Vec<AtWork>, StoreError> {
        Ok(at_work(&self.state().runs))
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
        state.remove(&gone);
        Ok(gone)
    }

    async fn forget_skipped(&self, past: &Past) -> Result<u64, StoreError> {
        let mut state = self.state();
        let gone = past_skips(&state.skipped, past);
        for key in &gone {
            state.skipped.remove(key);
        }
        Ok(gone.len() as u64)
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
