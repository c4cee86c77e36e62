//! What the maps hold, and what may change them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::engine::plan::Memory;
use crate::model::{
    DagId, RunId, RunSpec, TaskIndex, TaskRunId, Timestamp, Transition, TriggerKind,
};
use crate::store::{
    Call, Command, DagVersion, Decided, NewRun, Owner, ScheduleRow, SkippedTicks, StoreError,
    Thing, ThingChange, precision,
};

use super::notices::Notices;
use super::run::Run;
use super::tally::Tallies;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) versions: HashMap<String, DagVersion>,
    pub(super) runs: BTreeMap<RunId, Run>,
    pub(super) commands: Vec<Command>,
    pub(super) schedules: BTreeMap<DagId, ScheduleRow>,
    /// By DAG and first tick.
    pub(super) skipped: BTreeMap<(DagId, Timestamp), SkippedTicks>,
    pub(super) notices: Notices,
    /// By DAG and name: the stamp.
    pub(super) things: BTreeMap<(DagId, String), String>,
    pub(super) calls: Vec<Call>,
    pub(super) removed: BTreeSet<RunId>,
    pub(super) tallies: Tallies,
}

impl State {
    /// The runs as they are after the transitions.
    pub(super) fn applied(
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
            let expanded = |task| {
                transitions.iter().any(|transition| {
                    matches!(transition, Transition::Expanded { run, task: of, .. } if (run, *of) == (&*id, task))
                })
            };
            run.keep_starts(self.run(id)?, expanded);
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

    /// Those of the runs that aren't there yet; `versions` are about to be.
    pub(super) fn missing(
        &self,
        runs: &[NewRun],
        versions: &[DagVersion],
    ) -> Result<BTreeMap<RunId, Run>, StoreError> {
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
            let known = self.versions.contains_key(version)
                || versions.iter().any(|put| put.hash == *version);
            if missing.contains_key(&new.spec.id) && !known {
                return Err(StoreError::UnknownVersion(version.clone()));
            }
        }
        Ok(missing)
    }

    pub(super) fn schedule(&mut self, dag: &DagId) -> &mut ScheduleRow {
        self.schedules
            .entry(dag.clone())
            .or_insert_with(|| ScheduleRow {
                dag: dag.clone(),
                paused: false,
                memory: Memory::default(),
            })
    }

    pub(super) fn run(&self, id: &RunId) -> Result<&Run, StoreError> {
        self.runs
            .get(id)
            .ok_or_else(|| StoreError::UnknownRun(id.clone()))
    }

    pub(super) fn begin(
        &mut self,
        versions: &[DagVersion],
        runs: &[NewRun],
    ) -> Result<(), StoreError> {
        let mut missing = self.missing(runs, versions)?;
        self.runs.append(&mut missing);
        self.keep(versions);
        Ok(())
    }

    pub(super) fn remove(&mut self, runs: &[RunId]) {
        for id in runs {
            self.removed.insert(id.clone());
            let Some(run) = self.runs.remove(id) else {
                continue;
            };
            let version = &run.spec.version;
            if !self
                .runs
                .values()
                .any(|other| other.spec.version == *version)
            {
                self.versions.remove(version);
            }
        }
    }

    fn keep(&mut self, versions: &[DagVersion]) {
        for version in versions {
            let known = self.versions.entry(version.hash.clone());
            known.or_insert_with(|| version.clone());
        }
    }

    pub(super) fn decide(&mut self, decided: &Decided) -> Result<(), StoreError> {
        let mut missing = self.missing(&decided.runs, &decided.versions)?;
        let tick = |spec: &RunSpec| {
            let scheduled = spec.trigger == TriggerKind::Schedule;
            scheduled.then(|| (spec.dag.clone(), spec.logical_time))
        };
        let known: BTreeSet<_> = self
            .runs
            .values()
            .filter_map(|run| tick(&run.spec))
            .collect();
        for run in missing.values() {
            if tick(&run.spec).is_some_and(|tick| known.contains(&tick)) {
                return Err(StoreError::Exists(run.spec.id.clone()));
            }
        }
        self.keep(&decided.versions);
        self.runs.append(&mut missing);
        for skipped in &decided.skipped {
            let skipped = SkippedTicks {
                first: precision::time(skipped.first),
                last: precision::time(skipped.last),
                ..skipped.clone()
            };
            let key = (skipped.dag.clone(), skipped.first);
            self.skipped.entry(key).or_insert(skipped);
        }
        for (dag, memory) in &decided.memories {
            self.schedule(dag).memory = memory.clone();
        }
        for notice in &decided.notices {
            self.notices.add(notice);
        }
        for change in decided.things.iter().cloned() {
            match change {
                ThingChange::Keep(Thing { dag, name, stamp }) => {
                    self.things.insert((dag, name), stamp);
                }
                ThingChange::Forget { dag, name } => _ = self.things.remove(&(dag, name)),
            }
        }
        for (dag, id) in &decided.answered {
            let answered = |call: &Call| (&call.dag, &call.id) == (dag, id);
            self.calls.retain(|call| !answered(call));
        }
        Ok(())
    }
}
