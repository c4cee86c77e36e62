//! A run comes in: a new one, or one from a process that has ended.

use std::sync::Arc;

use super::queue::Turn;
use super::scheduler::{Engine, Step};
use super::state::{Group, Phase, Run, RunKey, Task, TaskRun};
use crate::model::{
    Dag, Outcome, RunSpec, RunState, TaskIndex, TaskRunId, TaskRunSnapshot, TaskState, Timestamp,
};

impl Engine {
    /// Takes in a run as it stands, only to look at it ([`Engine::why`]): it stays in the hands of
    /// whoever carries it out. What it runs takes its slots, what is ready has its turn.
    pub fn observe(
        &mut self,
        now: Timestamp,
        (spec, dag): (Arc<RunSpec>, Arc<Dag>),
        state: RunState,
        tasks: Vec<TaskRunSnapshot>,
    ) {
        let mut run = Run::new(spec, dag, state, &self.queue);
        place(&mut run, tasks, now);
        let key = self.insert(run);
        let mut step = self.step(now);
        for id in step.open(key) {
            step.hold(key, id);
        }
        for id in step.open(key) {
            let run = step.engine.runs.get(&key);
            let phase = run.and_then(|run| run.get(id)).map(|found| &found.phase);
            if matches!(phase, Some(Phase::Ready { .. })) {
                step.enqueue(key, id);
            }
        }
    }
}

impl Step<'_> {
    /// Takes over a run in the state that `snapshots` describe; a task without one still waits. A
    /// run that is here and has not ended is left as it is.
    pub(super) fn load(
        &mut self,
        spec: Arc<RunSpec>,
        dag: Arc<Dag>,
        state: RunState,
        snapshots: Vec<TaskRunSnapshot>,
    ) {
        if let Some((key, known)) = self.engine.run(&spec.id) {
            if !known.state.is_finished() {
                return;
            }
            self.engine.remove(key);
        }
        let mut run = Run::new(spec, dag, state, &self.engine.queue);
        place(&mut run, snapshots, self.now);
        if run.state.is_finished() && run.tally.open > 0 {
            // Not ours, then: a run has ended when its tasks have.
            run.state = RunState::Running;
        }
        let key = self.engine.insert(run);
        self.resume(key);
    }

    /// Goes on where the run stands: in the order of its tasks and items, which is the order in
    /// which they get their turns.
    fn resume(&mut self, key: RunKey) {
        let Some(run) = self.engine.runs.get(&key) else {
            return;
        };
        if run.state.is_finished() {
            // It waits for a person's next word; see `retry` and `mark`.
            return;
        }
        let cancelling = run.state == RunState::Cancelling;
        let ids = self.open(key);
        // First what the lost attempts hold, so that nothing is given away twice.
        for id in &ids {
            self.hold(key, *id);
        }
        for id in ids {
            let task_run = self.engine.runs.get(&key).and_then(|run| run.get(id));
            match task_run.map(|task_run| &task_run.phase) {
                Some(Phase::Running { .. }) if cancelling => self.drop_lost(key, id),
                Some(Phase::Running { .. }) => self.recover(key, id),
                Some(Phase::Ready { .. }) => match self.never_fits(key, id) {
                    Some(cause) => self.finish(key, id, Outcome::Failed(cause), None),
                    None => self.enqueue(key, id),
                },
                Some(Phase::RetryWait { until }) => {
                    self.engine.timers.insert((*until, key, id));
                }
                Some(Phase::Waiting { .. } | Phase::Expanded { .. }) => {
                    self.judged.push_back((key, id.task));
                }
                Some(Phase::Finished { .. }) | None => {}
            }
        }
        if cancelling {
            self.cancel_tasks(key);
        }
        self.ended.push(key);
    }

    /// The task runs of a run that have not ended, each task followed by its items.
    fn open(&self, key: RunKey) -> Vec<TaskRunId> {
        let Some(run) = self.engine.runs.get(&key) else {
            return Vec::new();
        };
        let is_open = |id: &TaskRunId| run.get(*id).is_some_and(|t| !t.phase.is_finished());
        run.ids().filter(is_open).collect()
    }

    /// Takes the slots of an attempt that was running.
    fn hold(&mut self, key: RunKey, id: TaskRunId) {
        let Some(claim) = self.claim(key, id) else {
            return;
        };
        let Some(run) = self.engine.runs.get_mut(&key) else {
            return;
        };
        let Some(task) = run.tasks.get_mut(id.task.get()) else {
            return;
        };
        let running = task
            .get(id.item)
            .is_some_and(|t| matches!(t.phase, Phase::Running { .. }));
        if running {
            if let (Some(_), Some(group)) = (id.item, &mut task.group) {
                group.admitted += 1;
            }
            self.engine.queue.take(key, claim);
        }
    }
}

/// Puts snapshots in their places, and counts those that have ended.
fn place(run: &mut Run, mut snapshots: Vec<TaskRunSnapshot>, now: Timestamp) {
    snapshots.sort_by_key(|snapshot| snapshot.id);
    for snapshot in snapshots {
        let Some(task) = run.tasks.get_mut(snapshot.id.task.get()) else {
            continue;
        };
        match snapshot.id.item {
            None => place_own(task, snapshot),
            Some(item) => place_item(task, item, snapshot, now),
        }
    }
    for index in (0..).map(TaskIndex).take(run.tasks.len()) {
        let Some(task) = run.tasks.get_mut(index.get()) else {
            continue;
        };
        if let Some(group) = &mut task.group {
            let open = group.items.iter().filter(|t| !t.phase.is_finished());
            group.open = u32::try_from(open.count()).unwrap_or(u32::MAX);
        }
        if let Phase::Finished { outcome, .. } = &task.own.phase {
            let outcome = outcome.clone();
            run.count(index, &outcome, true);
        }
    }
}

fn place_own(task: &mut Task, snapshot: TaskRunSnapshot) {
    if let TaskState::Expanded { items } = snapshot.state {
        let item = TaskRun::new(snapshot.generation, phase(TaskState::Ready));
        task.group = Some(Box::new(Group {
            items: vec![item; items as usize],
            ..Group::default()
        }));
    }
    task.own = task_run(snapshot);
}

/// Places an item that belongs to the task's present generation; older ones are forgotten. An item
/// that a finished group lacks can only be one that never mattered.
fn place_item(task: &mut Task, item: u32, snapshot: TaskRunSnapshot, now: Timestamp) {
    let alive = matches!(
        task.own.phase,
        Phase::Expanded { .. } | Phase::Finished { .. }
    );
    if snapshot.generation != task.own.generation || !alive {
        return;
    }
    let item = item as usize;
    let group = task.group.get_or_insert_default();
    if item >= group.items.len() {
        if !task.own.phase.is_finished() {
            return;
        }
        let outcome = Outcome::Skipped;
        let missing = TaskRun::new(snapshot.generation, Phase::Finished { outcome, at: now });
        group.items.resize(item + 1, missing);
    }
    group.items[item] = task_run(snapshot);
}

fn task_run(snapshot: TaskRunSnapshot) -> TaskRun {
    TaskRun {
        generation: snapshot.generation,
        attempts: snapshot.attempts,
        budget: snapshot.budget,
        fence: snapshot.fence,
        phase: phase(snapshot.state),
    }
}

fn phase(state: TaskState) -> Phase {
    match state {
        TaskState::Waiting => Phase::Waiting { question: None },
        TaskState::Expanded { .. } => Phase::Expanded { marked: None },
        TaskState::Ready => Phase::Ready {
            turn: Turn::NONE,
            held: true,
        },
        // Its deadline is of no use: the attempt is lost.
        TaskState::Running { started, .. } => Phase::Running {
            started,
            deadline: None,
            ending: None,
        },
        TaskState::RetryWait { until } => Phase::RetryWait { until },
        TaskState::Finished { outcome, at } => Phase::Finished { outcome, at },
    }
}
