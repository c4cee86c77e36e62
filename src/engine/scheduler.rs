//! The engine itself: an event in, its consequences out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::queue::{Queue, Turn};
use super::state::{Phase, Run, RunKey, TaskRun};
use super::{Action, Event, Limits};
use crate::model::{
    RunId, RunState, TaskIndex, TaskRunId, TaskRunSnapshot, TaskState, Timestamp, Transition,
};

/// The scheduler of all runs that have not ended.
///
/// It is deterministic: the same events at the same times give the same actions. It is total: an
/// event that is late, double or unknown changes nothing.
#[derive(Debug)]
pub struct Engine {
    pub(super) runs: BTreeMap<RunKey, Run>,
    pub(super) keys: BTreeMap<RunId, RunKey>,
    pub(super) queue: Queue,
    /// What happens by itself: an attempt's deadline, the end of a wait before a retry.
    pub(super) timers: BTreeSet<(Timestamp, RunKey, TaskRunId)>,
    next_key: RunKey,
    /// How many questions were asked: the number of the last one.
    pub(super) questions: u64,
}

impl Engine {
    /// An engine without runs.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            runs: BTreeMap::new(),
            keys: BTreeMap::new(),
            queue: Queue::new(limits.max_active_tasks, &limits.pools),
            timers: BTreeSet::new(),
            next_key: 0,
            questions: 0,
        }
    }

    /// Takes in what happened, all of it at `now`, and returns what follows: everything that is due
    /// is done, and everything that has room is started. The events are taken one after the other,
    /// but nothing starts before the last one, so that a larger priority comes first among them
    /// all: runs that are restored together belong in one call.
    pub fn handle(
        &mut self,
        now: Timestamp,
        events: impl IntoIterator<Item = Event>,
    ) -> Vec<Action> {
        let mut step = self.step(now);
        for event in events {
            step.take_in(event);
        }
        step.due();
        step.settle();
        step.actions
    }

    pub(super) fn step(&mut self, now: Timestamp) -> Step<'_> {
        Step {
            engine: self,
            now,
            actions: Vec::new(),
            judged: VecDeque::new(),
            fresh: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Other limits from now on. What runs goes on, and what waits is judged by the new ones at the
    /// next event.
    pub fn limit(&mut self, limits: &Limits) {
        self.queue.limit(limits.max_active_tasks, &limits.pools);
    }

    /// When something will be due although nothing happens; `None`: never.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, ..)| *at)
    }

    /// The state of a run; `None` when it isn't here: it has ended, or was never heard of.
    #[must_use]
    pub fn run_state(&self, run: &RunId) -> Option<RunState> {
        self.run(run).map(|(_, run)| run.state)
    }

    /// The runs that are here, in the order of their arrival.
    pub fn runs(&self) -> impl Iterator<Item = (&RunId, RunState)> {
        self.runs.values().map(|run| (&run.spec.id, run.state))
    }

    /// The state of one task run of a run that is here.
    #[must_use]
    pub fn task_state(&self, run: &RunId, task_run: TaskRunId) -> Option<TaskState> {
        let (_, run) = self.run(run)?;
        run.task(task_run.task)?.state(task_run.item)
    }

    /// All task runs of a run that is here, each task followed by its items: what
    /// [`Event::Restored`] takes.
    #[must_use]
    pub fn snapshots(&self, run: &RunId) -> Option<Vec<TaskRunSnapshot>> {
        let (_, run) = self.run(run)?;
        Some(run.ids().filter_map(|id| run.snapshot(id)).collect())
    }

    pub(super) fn run(&self, run: &RunId) -> Option<(RunKey, &Run)> {
        let key = *self.keys.get(run)?;
        Some((key, self.runs.get(&key)?))
    }

    pub(super) fn insert(&mut self, run: Run) -> RunKey {
        let key = self.next_key;
        self.next_key += 1;
        self.queue.add_run(key, run.dag.max_active_tasks);
        self.keys.insert(run.spec.id.clone(), key);
        self.runs.insert(key, run);
        key
    }

    pub(super) fn remove(&mut self, key: RunKey) {
        if let Some(run) = self.runs.remove(&key) {
            self.keys.remove(&run.spec.id);
            self.queue.remove_run(key);
        }
    }
}

/// A batch of events on its way through the engine.
#[derive(Debug)]
pub(super) struct Step<'e> {
    pub(super) engine: &'e mut Engine,
    pub(super) now: Timestamp,
    pub(super) actions: Vec<Action>,
    /// Tasks to look at again: what they need has changed, or an item of theirs ended.
    pub(super) judged: VecDeque<(RunKey, TaskIndex)>,
    /// What got its turn in this step, and wasn't recorded: most of it starts at once.
    pub(super) fresh: Vec<(RunKey, TaskRunId, Turn)>,
    /// Runs whose tasks may all have ended.
    pub(super) ended: Vec<RunKey>,
}

impl Step<'_> {
    fn take_in(&mut self, event: Event) {
        match event {
            Event::Triggered { run, dag } => self.load(run, dag, RunState::Queued, Vec::new()),
            Event::Restored {
                run,
                dag,
                state,
                tasks,
            } => self.load(run, dag, state, tasks),
            Event::Prepared {
                run,
                task,
                question,
                answer,
            } => self.prepared(&run, task, question, answer),
            Event::AttemptFinished { attempt, result } => self.attempt_finished(&attempt, result),
            Event::AttemptLost { attempt, message } => self.attempt_lost(&attempt, &message),
            Event::CancelRequested { run } => self.cancel(&run),
            Event::RetryRequested { run, tasks } => self.retry(&run, &tasks),
            Event::ItemRetryRequested { run, task, item } => self.retry_item(&run, task, item),
            Event::Marked { run, task, outcome } => self.mark(&run, task, outcome),
            Event::Wakeup => {}
        }
    }

    /// Follows all consequences: judges, starts what has room, and ends what is over.
    fn settle(&mut self) {
        while let Some((key, task)) = self.judged.pop_front() {
            self.judge(key, task);
        }
        while let Some((key, id)) = self.engine.queue.pop() {
            self.start(key, id);
        }
        for (key, id, given) in std::mem::take(&mut self.fresh) {
            let task_run = self.engine.runs.get(&key).and_then(|run| run.get(id));
            let still = |t: &TaskRun| matches!(t.phase, Phase::Ready { turn, .. } if turn == given);
            if task_run.is_some_and(still) {
                self.record_task(key, id, None);
            }
        }
        for key in std::mem::take(&mut self.ended) {
            self.end_run(key);
        }
    }

    /// The run of that name, if it is here and has not ended.
    pub(super) fn live(&self, run: &RunId) -> Option<RunKey> {
        let (key, run) = self.engine.run(run)?;
        (!run.state.is_finished()).then_some(key)
    }

    pub(super) fn record(&mut self, transition: Transition) {
        self.actions.push(Action::Record(transition));
    }
}
