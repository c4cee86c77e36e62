//! The world around an engine: a virtual clock, a durable ledger, executors that are late, die and
//! repeat themselves, and people who change their minds. Every step is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use runner::engine::{AbortReason, Action, Engine, Event, FORGIVEN_LOSSES, Limits, Prepared, Why};
use runner::model::{
    AttemptId, AttemptOutcome, AttemptResult, Dag, FailureCause, FailureKind, Json, Outcome, RunId,
    RunSpec, RunState, TaskIndex, TaskRunId, TaskState, Timestamp, Transition,
};

use super::ledger::{Ledger, own};
use super::oracle::{self, Load, Rule};
use super::plan::{Case, Kind, MAX_DELAY, start};
use super::random::Random;

/// Far more than any case needs: beyond it, a run is stuck.
const MOST_STEPS: usize = 20_000;

pub(crate) struct World<'c> {
    case: &'c Case,
    limits: Limits,
    random: Random,
    engine: Engine,
    pub(crate) ledger: Ledger,
    now: Timestamp,
    runs: Vec<(Arc<RunSpec>, Arc<Dag>)>,
    /// What will be heard from outside, and when.
    coming: Vec<(Timestamp, Event)>,
    /// What was heard before, or is about an attempt of a process that has died.
    stale: Vec<Event>,
    /// Attempts and losses of each task run since its chances began anew.
    tries: BTreeMap<(RunId, TaskRunId), Tries>,
    highest: BTreeMap<(RunId, TaskRunId), u64>,
    told: Vec<(AttemptId, AbortReason)>,
    /// Ends that a person decided, which no rule has to explain.
    marked: Vec<(RunId, usize)>,
    people_left: usize,
    crashes_left: usize,
    /// What has happened, in words, to show that the simulation gets there.
    pub(crate) seen: BTreeSet<String>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tries {
    begun: u32,
    lost: u32,
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
        for action in actions {
            if let Action::Record(transition) = action {
                self.check_before(transition);
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

    /// The task that runs again by this transition, if one does.
    fn opens(&self, transition: &Transition) -> Option<(RunId, TaskIndex)> {
        let Transition::Task {
            run,
            task_run,
            state,
            ..
        } = transition
        else {
            return None;
        };
        let was = self.ledger.runs[run].state(*task_run);
        let opens = was.is_finished() && !state.is_finished() && task_run.item.is_none();
        opens.then(|| (run.clone(), task_run.task))
    }

    /// When a task runs again, so does everything that had ended after it.
    fn check_after_retry(before: &Ledger, opened: &BTreeSet<(RunId, TaskIndex)>) {
        for (run, again) in opened {
            let entry = &before.runs[run];
            for (index, task) in entry.dag.tasks.iter().enumerate() {
                let had_ended = entry.state(own(index)).is_finished();
                if task.needs.contains(again) && had_ended && !entry.is_left_out(index) {
                    let id = (run.clone(), own(index).task);
                    assert!(opened.contains(&id), "{index} comes after {again:?}");
                }
            }
        }
    }

    /// What must be true of a transition, in the state that it meets.
    fn check_before(&mut self, transition: &Transition) {
        match transition {
            Transition::Run { run, state, .. } => {
                let was = self.ledger.runs[run].state;
                self.seen.insert(format!("run {was} ▶ {state}"));
            }
            Transition::Expanded { run, task, .. } => {
                let entry = &self.ledger.runs[run];
                assert_eq!(oracle::judge(entry, task.get()), Rule::Holds, "expanded");
                self.tries
                    .retain(|(of, id), _| of != run || id.task != *task || id.item.is_none());
            }
            Transition::Task {
                run,
                task_run: id,
                state,
                budget,
                ended,
                ..
            } => {
                let entry = &self.ledger.runs[run];
                let was = entry.state(*id).clone();
                let what = if id.item.is_some() { "item" } else { "task" };
                let arrow = format!("{what} {} ▶ {}", word(&was), word(state));
                self.seen.insert(arrow);
                if let Some(ended) = ended {
                    self.check_told(run, *id, entry.tasks[id].fence, &ended.result.outcome);
                }
                let tries = self.tries.entry((run.clone(), *id)).or_default();
                let begins_anew = matches!(
                    (&was, state),
                    (_, TaskState::Waiting)
                        | (
                            TaskState::Finished { .. },
                            TaskState::Ready | TaskState::Running { .. }
                        )
                );
                if begins_anew {
                    *tries = Tries::default();
                }
                let policy = entry.dag.task(id.task);
                match state {
                    TaskState::Running { deadline, started } => {
                        tries.begun += 1;
                        let allowed = policy.retry.retries + 1 + tries.lost.min(FORGIVEN_LOSSES);
                        assert!(tries.begun <= allowed, "{id:?}: too many attempts");
                        assert_ne!(entry.state, RunState::Cancelling, "{id:?} starts");
                        let wanted = policy.timeout.map(|t| *started + t);
                        assert_eq!(*deadline, wanted);
                        let above = oracle::priority(entry, *id);
                        let better = oracle::startable(&self.ledger, &self.limits, above);
                        assert!(better.is_empty(), "{id:?} overtakes {better:?}");
                    }
                    TaskState::RetryWait { until } => {
                        let longest = TimeDelta::from_std(MAX_DELAY).unwrap();
                        assert!(*until <= self.now + longest && *until >= self.now);
                        assert!(budget.spent <= policy.retry.retries);
                    }
                    TaskState::Finished {
                        outcome: Outcome::Failed(cause),
                        ..
                    } if ended.is_some() && policy.retry.on.contains(&cause.kind) => {
                        let forgiven = tries.lost.min(FORGIVEN_LOSSES);
                        let is_marked = self.marked.contains(&(run.clone(), id.task.get()));
                        let used_up = tries.begun == policy.retry.retries + 1 + forgiven;
                        assert!(used_up || is_marked, "{id:?}: a try is left");
                    }
                    _ => {}
                }
                if was == TaskState::Waiting && entry.state != RunState::Cancelling {
                    self.check_leaves_waiting(run, *id, state);
                }
            }
        }
    }

    /// What was told to end has done so for that reason, unless it was faster.
    fn check_told(&self, run: &RunId, id: TaskRunId, fence: u64, outcome: &AttemptOutcome) {
        let is_it =
            |told: &AttemptId| told.run == *run && told.task_run == id && told.fence == fence;
        let told = self.told.iter().find(|(told, _)| is_it(told));
        let is_timeout = matches!(
            outcome,
            AttemptOutcome::Failed { cause, .. } if cause.kind == FailureKind::TimedOut
        );
        let is_failure = matches!(outcome, AttemptOutcome::Failed { .. });
        match told {
            Some((_, AbortReason::TimedOut)) if is_failure => {
                let is_marked = self.marked.contains(&(run.clone(), id.task.get()));
                assert!(is_timeout || is_marked, "{id:?}: {outcome:?}");
            }
            Some(_) => {}
            None => assert!(!is_timeout, "{id:?} was not told"),
        }
    }

    /// A task stops waiting when its rule says so, and not before.
    fn check_leaves_waiting(&self, run: &RunId, id: TaskRunId, to: &TaskState) {
        let entry = &self.ledger.runs[run];
        let task = id.task.get();
        let is_marked = self.marked.contains(&(run.clone(), task));
        let judged = oracle::judge(entry, task);
        let outcome = match to {
            TaskState::Waiting => return,
            TaskState::Finished { outcome, .. } => outcome,
            _ => return assert_eq!(judged, Rule::Holds, "{id:?} starts"),
        };
        let kind = self.kind(run, id.task);
        match outcome {
            _ if is_marked => {}
            Outcome::Skipped if entry.is_left_out(task) => {}
            Outcome::Skipped if judged == Rule::Holds => {
                assert!(matches!(kind, Kind::If(false) | Kind::Foreach(0)), "{id:?}");
            }
            Outcome::Skipped => assert_eq!(judged, Rule::Fails, "{id:?} is skipped"),
            Outcome::UpstreamFailed => {
                assert_eq!(judged, Rule::Fails, "{id:?} can't start");
                assert!(oracle::has_failed_need(entry, task), "{id:?} blames nobody");
            }
            Outcome::Failed(_) => assert_eq!(judged, Rule::Holds, "{id:?} fails"),
            Outcome::Success | Outcome::Cancelled => panic!("{id:?} ends as {outcome:?}"),
        }
    }

    /// Does what a committed batch asks for.
    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Record(_) => {}
                Action::Prepare {
                    run,
                    task,
                    question,
                } => {
                    let before = self.question(&run, task);
                    assert!(before.is_none_or(|before| before < question));
                    let answer = self.answer(&run, task);
                    let event = Event::Prepared {
                        run,
                        task,
                        question,
                        answer,
                    };
                    let at = self.soon(3);
                    self.coming.push((at, event));
                }
                Action::Dispatch(attempt) => self.dispatch(attempt),
                Action::Abort { attempt, reason } => self.abort(attempt, reason),
            }
        }
    }

    fn dispatch(&mut self, attempt: AttemptId) {
        let entry = &self.ledger.runs[&attempt.run];
        let task_run = &entry.tasks[&attempt.task_run];
        assert!(matches!(task_run.state, TaskState::Running { .. }));
        assert_eq!(task_run.fence, attempt.fence);
        let at = (attempt.run.clone(), attempt.task_run);
        let highest = self.highest.entry(at).or_default();
        assert!(attempt.fence > *highest, "fences grow");
        *highest = attempt.fence;
        let spent = task_run.budget.spent;
        let timeout = entry.dag.task(attempt.task_run.task).timeout;
        let event = self.result(attempt, spent, timeout.is_some());
        if let Some(event) = event {
            let at = self.soon(15);
            self.coming.push((at, event));
        }
    }

    /// How an attempt ends by itself: the same for the same task, item and number of failures. An
    /// attempt with a timeout may never end.
    fn result(&mut self, attempt: AttemptId, spent: u32, may_hang: bool) -> Option<Event> {
        let item = attempt.task_run.item.map_or(0, |item| u64::from(item) + 1);
        let parts = [u64::from(attempt.task_run.task.0), item, u64::from(spent)];
        let seed = parts
            .iter()
            .fold(self.case.seed, |seed, part| Random::new(seed ^ part).next());
        let mut random = Random::new(seed);
        if !random.chance(self.case.chaos.failure) {
            let outcome = if random.chance(10) {
                AttemptOutcome::Skipped
            } else {
                AttemptOutcome::Success
            };
            return Some(finished(attempt, outcome));
        }
        let kind = match random.below(6) {
            0 if may_hang => return None,
            1 => {
                let message = "gone".into();
                return Some(Event::AttemptLost { attempt, message });
            }
            2 => FailureKind::Permanent,
            3 => return Some(finished(attempt, AttemptOutcome::Cancelled)),
            _ => FailureKind::Retryable,
        };
        let cause = FailureCause::new(kind, "it broke");
        let retry_after = random.chance(30).then_some(Duration::from_secs(5));
        Some(finished(
            attempt,
            AttemptOutcome::Failed { cause, retry_after },
        ))
    }

    fn abort(&mut self, attempt: AttemptId, reason: AbortReason) {
        let entry = &self.ledger.runs[&attempt.run];
        if reason == AbortReason::TimedOut {
            // Unless it ended in the same batch.
            if let TaskState::Running { deadline, .. } = entry.state(attempt.task_run) {
                assert!(deadline.is_some_and(|at| at <= self.now), "not due");
            }
        }
        let twice = self.told.iter().any(|(told, _)| *told == attempt);
        assert!(!twice, "{attempt:?} is told twice");
        self.told.push((attempt.clone(), reason));
        self.seen.insert(format!("abort {reason:?}"));
        // It may have ended by itself just before.
        let is_of = |event: &Event| matches!(event, Event::AttemptFinished { attempt: of, .. } | Event::AttemptLost { attempt: of, .. } if *of == attempt);
        if self.random.chance(30) && self.coming.iter().any(|(_, event)| is_of(event)) {
            return;
        }
        self.coming.retain(|(_, event)| !is_of(event));
        let at = self.soon(3);
        self.coming
            .push((at, finished(attempt, AttemptOutcome::Cancelled)));
    }

    fn kind(&self, run: &RunId, task: TaskIndex) -> Kind {
        let at = self.runs.iter().position(|(spec, _)| spec.id == *run);
        self.case.runs[at.unwrap()].tasks[task.get()].kind
    }

    fn answer(&self, run: &RunId, task: TaskIndex) -> Prepared {
        match self.kind(run, task) {
            Kind::Plain => panic!("a plain task is not prepared"),
            Kind::If(true) => Prepared::Run,
            Kind::If(false) => Prepared::Skip,
            Kind::Foreach(items) => {
                let item = |n: u32| Json(n.to_string().into());
                Prepared::Items((0..items).map(item).collect())
            }
            Kind::Broken => Prepared::Fail(FailureCause::new(
                FailureKind::Permanent,
                "no such variable",
            )),
        }
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

    fn restored(&self, run: &RunId) -> Event {
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
    fn question(&self, run: &RunId, of: TaskIndex) -> Option<u64> {
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
        let request = match self.random.below(5) {
            0 => Event::CancelRequested { run: run.clone() },
            1 => Event::Marked {
                run: run.clone(),
                task,
                outcome: outcomes[self.random.below(3)].clone(),
            },
            2 => Event::RetryRequested {
                run: run.clone(),
                tasks: vec![task],
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

    /// What must be true when a batch is done: nothing waits that could go on.
    fn check_quiet(&mut self) {
        let mut seen = BTreeSet::new();
        let startable = oracle::startable(&self.ledger, &self.limits, i64::MIN);
        assert!(startable.is_empty(), "{startable:?} could run");
        for (run, entry) in &self.ledger.runs {
            if entry.state.is_finished() {
                continue;
            }
            let is_open = |t: &TaskState| !t.is_finished();
            let open = entry.tasks.values().filter(|t| is_open(&t.state)).count();
            assert!(open > 0, "{run} should have ended");
            for id in entry.tasks.keys() {
                let state = entry.state(*id);
                let why = self.engine.why(run, *id);
                seen.extend(why.as_ref().map(why_word));
                let waits = is_open(state) && !matches!(state, TaskState::Running { .. });
                assert_eq!(why.is_some(), waits, "{id:?}: {why:?}");
                if *state == TaskState::Waiting {
                    let judged = oracle::judge(entry, id.task.get());
                    let is_prepared =
                        judged == Rule::Holds && self.question(run, id.task).is_some();
                    assert!(judged == Rule::Open || is_prepared, "{id:?}: {judged:?}");
                }
                if let TaskState::Running {
                    deadline: Some(at), ..
                } = state
                {
                    let told = self.told.iter().any(|(attempt, _)| {
                        let fence = entry.tasks[id].fence;
                        attempt.run == *run && attempt.task_run == *id && attempt.fence == fence
                    });
                    let next = self.engine.next_wakeup();
                    assert!(
                        told || next.is_some_and(|next| next <= *at),
                        "{id:?} runs on"
                    );
                }
            }
        }
        self.seen.extend(seen);
        self.check_replay();
    }

    /// An engine restored from the ledger is the engine that never stopped, but for lost attempts:
    /// compared where none runs.
    fn check_replay(&self) {
        let live = || {
            let entries = self.ledger.runs.iter();
            entries.filter(|(_, entry)| !entry.state.is_finished())
        };
        if live().any(|(_, entry)| entry.running().next().is_some()) {
            return;
        }
        if self.engine.next_wakeup().is_some_and(|at| at <= self.now) {
            return;
        }
        let mut copy = Engine::new(&self.limits);
        let mut actions = copy.handle(self.now, live().map(|(run, _)| self.restored(run)));
        actions.retain(|action| !matches!(action, Action::Prepare { .. }));
        assert_eq!(actions, Vec::new(), "a restored engine does the same");
        assert_eq!(copy.next_wakeup(), self.engine.next_wakeup());
        for (run, _) in live() {
            assert_eq!(copy.snapshots(run), self.engine.snapshots(run));
        }
    }

    fn check_end(&self) {
        for (run, entry) in &self.ledger.runs {
            assert!(entry.state.is_finished(), "{run} is {}", entry.state);
        }
        assert_eq!(self.ledger.runs.len(), self.runs.len());
        assert_eq!(self.engine.runs().count(), 0, "ended runs are forgotten");
        assert_eq!(self.engine.next_wakeup(), None);
    }

    fn soon(&mut self, seconds: usize) -> Timestamp {
        let millis = self.random.below(seconds * 1000 + 1);
        self.now + TimeDelta::milliseconds(i64::try_from(millis).unwrap())
    }
}

fn word(state: &TaskState) -> String {
    match state {
        TaskState::Waiting => "waiting".into(),
        TaskState::Expanded { .. } => "expanded".into(),
        TaskState::Ready => "ready".into(),
        TaskState::Running { .. } => "running".into(),
        TaskState::RetryWait { .. } => "retry_wait".into(),
        TaskState::Finished { outcome, .. } => match outcome {
            Outcome::Success => "success".into(),
            Outcome::Failed(cause) => format!("failed {:?}", cause.kind),
            Outcome::Skipped => "skipped".into(),
            Outcome::UpstreamFailed => "upstream_failed".into(),
            Outcome::Cancelled => "cancelled".into(),
        },
    }
}

fn why_word(why: &Why) -> String {
    let text = format!("{why:?}");
    let end = text.find(['(', ' ']).unwrap_or(text.len());
    format!("why {}", &text[..end])
}

pub(crate) fn finished(attempt: AttemptId, outcome: AttemptOutcome) -> Event {
    let result = AttemptResult {
        outcome,
        outputs: Json::null(),
        dataset: None,
        metrics: None,
    };
    Event::AttemptFinished { attempt, result }
}
