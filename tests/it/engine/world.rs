//! The world around an engine: a virtual clock, a durable ledger, executors that are late, die and
//! repeat themselves, and people who change their minds. Every step is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;
use runner::engine::{AbortReason, Action, Engine, Event, Limits, Prepared};
use runner::model::{
    AttemptId, AttemptOutcome, Dag, FailureCause, FailureKind, Outcome, RunId, RunSpec, TaskIndex,
    TaskRunId, TaskState, Timestamp,
};

use super::executor::finished;
use super::ledger::Ledger;
use super::oracle::Load;
use super::plan::{Case, Kind, start};
use super::random::Random;

/// Far more than any case needs: beyond it, a run is stuck.
const MOST_STEPS: usize = 20_000;

pub(crate) struct World<'c> {
    pub(super) case: &'c Case,
    pub(super) limits: Limits,
    pub(super) random: Random,
    pub(super) engine: Engine,
    pub(crate) ledger: Ledger,
    pub(super) now: Timestamp,
    pub(super) runs: Vec<(Arc<RunSpec>, Arc<Dag>)>,
    /// What will be heard from outside, and when.
    pub(super) coming: Vec<(Timestamp, Event)>,
    /// What was heard before, or is about an attempt of a process that has died.
    pub(super) stale: Vec<Event>,
    /// Attempts and losses of each task run since its chances began anew.
    pub(super) tries: BTreeMap<(RunId, TaskRunId), Tries>,
    pub(super) highest: BTreeMap<(RunId, TaskRunId), u64>,
    pub(super) told: Vec<(AttemptId, AbortReason)>,
    /// Ends that a person decided, which no rule has to explain.
    pub(super) marked: Vec<(RunId, usize)>,
    pub(super) people_left: usize,
    pub(super) crashes_left: usize,
    /// What has happened, in words, to show that the simulation gets there.
    pub(crate) seen: BTreeSet<String>,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tries {
    pub(super) begun: u32,
    pub(super) lost: u32,
}

impl<'c> World<'c> {
    pub(crate) fn new(case: &'c Case) -> Self {
        let limits = case.limits.limits();
        let runs: Vec<(Arc<RunSpec>, Arc<Dag>)> = case
            .runs
            .iter()
            .enumerate()
            .map(|(index, plan)| {
                let name = format!("r{index}");
                let spec = plan.spec(&name, case.seed);
                (Arc::new(spec), Arc::new(plan.dag(&name)))
            })
            .collect();
        let mut world = Self {
            case,
            random: Random::new(case.seed),
            engine: Engine::new(&limits),
            limits,
            ledger: Ledger::default(),
            now: start(),
            coming: Vec::new(),
            stale: Vec::new(),
            tries: BTreeMap::new(),
            highest: BTreeMap::new(),
            told: Vec::new(),
            marked: Vec::new(),
            people_left: 10,
            crashes_left: case.chaos.crashes,
            runs,
            seen: BTreeSet::new(),
        };
        for (spec, dag) in world.runs.clone() {
            let event = Event::Triggered { run: spec, dag };
            let at = world.soon(10);
            world.coming.push((at, event));
        }
        world
    }

    /// Runs to the end of everything.
    pub(crate) fn run(&mut self) {
        for _ in 0..MOST_STEPS {
            if !self.step() {
                return self.check_end();
            }
        }
        panic!("after {MOST_STEPS} steps there is still something to do");
    }

    /// The end of every task run, for a comparison: not when, and not after how many attempts.
    pub(crate) fn outcomes(&self) -> BTreeMap<(RunId, TaskRunId), TaskState> {
        let end = |state: &TaskState| match state {
            TaskState::Finished { outcome, .. } => TaskState::Finished {
                outcome: outcome.clone(),
                at: start(),
            },
            other => other.clone(),
        };
        let entries = self.ledger.runs.iter();
        let ends = entries.flat_map(|(run, entry)| {
            let tasks = entry.tasks.values();
            tasks.map(|t| ((run.clone(), t.id), end(&t.state)))
        });
        ends.collect()
    }

    /// One batch of events and its commit; `false` when nothing will ever happen again.
    fn step(&mut self) -> bool {
        if self.crashes_left > 0 && self.random.chance(self.case.chaos.crash) {
            self.crash();
            return true;
        }
        if self.random.chance(self.case.chaos.noise) {
            self.hear_noise();
        }
        let mut batch = Vec::new();
        if self.people_left > 0 && self.random.chance(self.case.chaos.person) {
            self.people_left -= 1;
            batch.extend(self.ask());
        } else if !self.tick(&mut batch) {
            if self.people_left == 0 || self.case.chaos.person == 0 {
                return false;
            }
            self.people_left -= 1;
            batch.extend(self.ask());
        }
        for event in &batch {
            self.remember(event);
        }
        let actions = self.engine.handle(self.now, batch);
        if self.crashes_left > 0 && self.random.chance(self.case.chaos.crash) {
            // Before the commit: nothing of the batch has ever happened.
            self.crash();
            return true;
        }
        self.commit(&actions);
        if self.crashes_left > 0 && self.random.chance(self.case.chaos.crash) {
            self.crash();
            return true;
        }
        self.act(actions);
        self.check_quiet();
        true
    }

    /// Moves the clock to what comes next, and takes up to three events of that time.
    fn tick(&mut self, batch: &mut Vec<Event>) -> bool {
        let coming = self.coming.iter().map(|(at, _)| *at).min();
        let Some(next) = coming.into_iter().chain(self.engine.next_wakeup()).min() else {
            return false;
        };
        self.now = self.now.max(next);
        let size = 1 + self.random.below(3);
        while batch.len() < size {
            let due: Vec<usize> = (0..self.coming.len())
                .filter(|at| self.coming[*at].0 <= self.now)
                .collect();
            let Some(at) = self.random.pick(&due).copied() else {
                break;
            };
            batch.push(self.coming.swap_remove(at).1);
        }
        if batch.is_empty() {
            batch.push(Event::Wakeup);
        }
        true
    }

    /// Makes an accepted run durable before the engine hears of it, and keeps what may come again.
    fn remember(&mut self, event: &Event) {
        match event {
            Event::Triggered { run, dag } => self.ledger.add(run, dag),
            Event::Marked { run, task, .. } => self.marked.push((run.clone(), task.get())),
            Event::AttemptFinished { .. } | Event::AttemptLost { .. } | Event::Prepared { .. } => {
                self.stale.push(event.clone());
            }
            _ => {}
        }
    }

    fn commit(&mut self, actions: &[Action]) {
        let before = self.ledger.clone();
        let mut opened = BTreeSet::new();
        for (at, action) in actions.iter().enumerate() {
            if let Action::Record(transition) = action {
                self.check_before(transition);
                self.check_order(transition, &actions[at..]);
                opened.extend(self.opens(transition));
                self.ledger.apply(transition);
                Load::of(&self.ledger).check(&self.ledger, &self.limits);
            }
        }
        Self::check_after_retry(&before, &opened);
        for (run, entry) in &self.ledger.runs {
            match self.engine.snapshots(run) {
                Some(snapshots) => {
                    assert_eq!(
                        snapshots,
                        entry.snapshots(),
                        "the ledger is the engine's state"
                    );
                    assert_eq!(self.engine.run_state(run), Some(entry.state));
                }
                None => assert!(entry.state.is_finished(), "{run} was forgotten"),
            }
        }
    }

    pub(super) fn kind(&self, run: &RunId, task: TaskIndex) -> Kind {
        let at = self.runs.iter().position(|(spec, _)| spec.id == *run);
        self.case.runs[at.unwrap()].tasks[task.get()].kind
    }

    /// The process dies: the engine is gone, what it had sent out is gone or comes too late, and a
    /// new engine is told what the ledger knows.
    fn crash(&mut self) {
        self.crashes_left -= 1;
        let mut triggered = Vec::new();
        for (at, event) in std::mem::take(&mut self.coming) {
            match event {
                Event::Triggered { .. } => triggered.push((at, event)),
                event => self.stale.push(event),
            }
        }
        self.coming = triggered;
        self.told.clear();
        self.engine = Engine::new(&self.limits);
        for (run, entry) in &self.ledger.runs {
            for id in entry.running() {
                self.tries.entry((run.clone(), id)).or_default().lost += 1;
            }
        }
        let runs = self.ledger.runs.iter();
        let live = runs.filter(|(_, entry)| !entry.state.is_finished());
        let events: Vec<Event> = live.map(|(run, _)| self.restored(run)).collect();
        let actions = self.engine.handle(self.now, events);
        self.commit(&actions);
        self.act(actions);
        self.check_quiet();
    }

    pub(super) fn restored(&self, run: &RunId) -> Event {
        let entry = &self.ledger.runs[run];
        Event::Restored {
            run: entry.spec.clone(),
            dag: entry.dag.clone(),
            state: entry.state,
            tasks: entry.snapshots(),
        }
    }

    /// News that come too late, twice, or from nowhere: they change nothing.
    fn hear_noise(&mut self) {
        if self.engine.next_wakeup().is_some_and(|at| at <= self.now) {
            return;
        }
        let known = self.random.pick(&self.stale).cloned();
        let nowhere = AttemptId {
            run: RunId::new(["r0", "nowhere"][self.random.below(2)]).unwrap(),
            task_run: TaskRunId {
                task: TaskIndex(u32::try_from(self.random.below(30)).unwrap()),
                item: [None, Some(0), Some(77)][self.random.below(3)],
            },
            generation: 0,
            number: 0,
            fence: 0,
        };
        let event = match self.random.below(4) {
            0 => finished(nowhere, AttemptOutcome::Success),
            1 => Event::Prepared {
                run: nowhere.run,
                task: TaskIndex(77),
                question: 0,
                answer: Prepared::Run,
            },
            _ => known.unwrap_or(Event::Wakeup),
        };
        // A stale answer to a question that was asked again after a crash is a good answer.
        let is_answer = matches!(event, Event::Prepared { .. });
        if !is_answer || !self.is_asked(&event) {
            let actions = self.engine.handle(self.now, [event.clone()]);
            assert_eq!(actions, Vec::new(), "{event:?} is of no use");
            let known = self.engine.run_state(&self.runs[0].0.id).is_some();
            self.seen.insert(format!("noise, r0 is here: {known}"));
        }
    }

    /// Whether it answers the last question, which may have the number of one that was asked
    /// before a crash.
    fn is_asked(&self, event: &Event) -> bool {
        match event {
            Event::Prepared {
                run,
                task,
                question,
                ..
            } => self.question(run, *task) == Some(*question),
            _ => false,
        }
    }

    /// The last question about a task, if its answer is still to come.
    pub(super) fn question(&self, run: &RunId, of: TaskIndex) -> Option<u64> {
        let number = |event: &Event| match event {
            Event::Prepared {
                run: r,
                task,
                question,
                ..
            } if r == run && *task == of => Some(*question),
            _ => None,
        };
        let coming = self.coming.iter().filter_map(|(_, event)| number(event));
        coming.max()
    }

    /// A person asks for something, of a run that may have ended.
    fn ask(&mut self) -> Vec<Event> {
        let runs: Vec<RunId> = self.ledger.runs.keys().cloned().collect();
        let Some(run) = self.random.pick(&runs).cloned() else {
            return vec![Event::Wakeup];
        };
        let tasks = self.ledger.runs[&run].dag.tasks.len();
        let task = TaskIndex(u32::try_from(self.random.below(tasks + 1)).unwrap());
        let cause = FailureCause::new(FailureKind::Permanent, "a person said so");
        let outcomes = [Outcome::Success, Outcome::Skipped, Outcome::Failed(cause)];
        let rows = self.ledger.runs[&run].tasks.values();
        let failed = rows.map(|row| (row.id, &row.state)).find(|(id, state)| {
            id.item.is_some()
                && matches!(
                    state,
                    TaskState::Finished {
                        outcome: Outcome::Failed(_),
                        ..
                    }
                )
        });
        let failed = failed.map(|(id, _)| id);
        let request = match (self.random.below(5), failed) {
            (0, _) => Event::CancelRequested { run: run.clone() },
            (1, _) => Event::Marked {
                run: run.clone(),
                task,
                outcome: outcomes[self.random.below(3)].clone(),
            },
            (2, _) => Event::RetryRequested {
                run: run.clone(),
                tasks: vec![task],
            },
            (
                3,
                Some(TaskRunId {
                    task,
                    item: Some(item),
                }),
            ) => Event::ItemRetryRequested {
                run: run.clone(),
                task,
                item,
            },
            _ => Event::RetryRequested {
                run: run.clone(),
                tasks: Vec::new(),
            },
        };
        if self.ledger.runs[&run].state.is_finished() {
            vec![self.restored(&run), request]
        } else {
            vec![request]
        }
    }

    pub(super) fn soon(&mut self, seconds: usize) -> Timestamp {
        let millis = self.random.below(seconds * 1000 + 1);
        self.now + TimeDelta::milliseconds(i64::try_from(millis).unwrap())
    }
}
