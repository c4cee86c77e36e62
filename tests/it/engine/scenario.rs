//! Small stories about the engine, written as text: a DAG, what happens, and what the engine says.
//!
//! ```text
//! fetch                       a task, and what it is like
//! load < fetch retries=1      one that needs it
//!
//! > trigger                   what happens …
//! run running, fetch running, start fetch #1
//! > fetch ok                  … and what comes of it
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use runner::engine::{AbortReason, Action, Engine, Event, Limits, Prepared};
use runner::model::{
    AttemptId, AttemptOutcome, Backoff, Dag, DagId, FailureCause, FailureKind, Json, Outcome,
    PoolId, RunSpec, Task, TaskIndex, TaskRunId, TaskState, Timestamp, Transition, TriggerRule,
};

use super::executor::finished;
use super::ledger::Ledger;
use super::plan::{plain, spec, start};

/// Plays a story, and compares what the engine says with what stands in it.
#[track_caller]
pub(crate) fn check(story: &str) {
    let expected = tidy(story);
    let told = play(&expected);
    assert!(told == expected, "the engine tells it so:\n\n{told}");
}

fn tidy(story: &str) -> String {
    let lines = story.lines().map(str::trim).filter(|l| !l.is_empty());
    lines.fold(String::new(), |text, line| text + line + "\n")
}

struct Stage {
    limits: Limits,
    engine: Engine,
    ledger: Ledger,
    now: Timestamp,
    run: Arc<RunSpec>,
    dag: Arc<Dag>,
    /// Every attempt that was started, in order.
    attempts: Vec<AttemptId>,
    /// The last question about each task.
    questions: BTreeMap<TaskIndex, u64>,
}

fn play(story: &str) -> String {
    let mut stage = Stage::new(story);
    let mut told = String::new();
    for line in story.lines() {
        if let Some(event) = line.strip_prefix("> ") {
            let said = stage.happens(event);
            writeln!(told, "{line}").unwrap();
            if !said.is_empty() {
                writeln!(told, "{said}").unwrap();
            }
        } else if !told.contains("> ") {
            writeln!(told, "{line}").unwrap();
        }
    }
    told
}

impl Stage {
    fn new(story: &str) -> Self {
        let mut tasks: Vec<Task> = Vec::new();
        let mut limits = Limits::default();
        let mut max_active = None;
        let mut run = spec("r", 7);
        let lines = story.lines().take_while(|line| !line.starts_with("> "));
        for line in lines {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap();
            if name == "with" {
                for word in words {
                    let (key, value) = word.split_once('=').unwrap();
                    match key {
                        "limit" => limits.max_active_tasks = value.parse().ok(),
                        "run_limit" => max_active = value.parse().ok(),
                        "only" => run.only = Some(value.split('+').map(String::from).collect()),
                        pool => {
                            let pool = PoolId::new(pool).unwrap();
                            limits.pools.insert(pool, value.parse().unwrap());
                        }
                    }
                }
            } else {
                let task = task(name, words, &tasks);
                tasks.push(task);
            }
        }
        let dag = Dag {
            id: DagId::new("r").unwrap(),
            tasks,
            max_active_tasks: max_active,
        };
        Self {
            engine: Engine::new(&limits),
            limits,
            ledger: Ledger::default(),
            now: start(),
            run: Arc::new(run),
            dag: Arc::new(dag),
            attempts: Vec::new(),
            questions: BTreeMap::new(),
        }
    }

    fn happens(&mut self, text: &str) -> String {
        if let Some(seconds) = text.strip_prefix('+') {
            self.now += TimeDelta::seconds(seconds.parse().unwrap());
            return self.handle(Event::Wakeup);
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let event = match words.as_slice() {
            ["trigger"] => {
                self.ledger.add(&self.run, &self.dag);
                Event::Triggered {
                    run: self.run.clone(),
                    dag: self.dag.clone(),
                }
            }
            ["crash"] => {
                self.engine = Engine::new(&self.limits);
                self.restored()
            }
            ["restore"] => self.restored(),
            ["cancel"] => Event::CancelRequested {
                run: self.run.id.clone(),
            },
            ["retry", names @ ..] => Event::RetryRequested {
                run: self.run.id.clone(),
                tasks: names.iter().map(|name| self.index(name)).collect(),
            },
            ["retry-item", name, item] => Event::ItemRetryRequested {
                run: self.run.id.clone(),
                task: self.index(name),
                item: item.parse().unwrap(),
            },
            ["mark", name, outcome] => Event::Marked {
                run: self.run.id.clone(),
                task: self.index(name),
                outcome: match *outcome {
                    "success" => Outcome::Success,
                    "skipped" => Outcome::Skipped,
                    _ => Outcome::Failed(FailureCause::new(FailureKind::Permanent, "marked")),
                },
            },
            ["prepared", name, answer @ ..] => self.prepared(name, answer),
            ["why", name] => {
                let id = self.task_run(name);
                let why = self.engine.why(&self.run.id, id);
                return why.map_or("nothing".into(), |why| format!("{why:?}").replace('"', "`"));
            }
            ["blame", name] => {
                let entry = &self.ledger.runs[&self.run.id];
                let mut observer = Engine::new(&self.limits);
                let run = (self.run.clone(), self.dag.clone());
                observer.observe(self.now, run, entry.state, entry.snapshots());
                let by = observer.ended_by(&self.run.id, self.index(name));
                return by.map_or("nobody".into(), |by| format!("{by:?}"));
            }
            [name, how @ ..] => self.ended(name, how),
            [] => panic!("nothing happens"),
        };
        self.handle(event)
    }

    fn restored(&self) -> Event {
        let entry = &self.ledger.runs[&self.run.id];
        Event::Restored {
            run: self.run.clone(),
            dag: self.dag.clone(),
            state: entry.state,
            tasks: entry.snapshots(),
        }
    }

    fn prepared(&self, name: &str, answer: &[&str]) -> Event {
        let id = self.task_run(name);
        Event::Prepared {
            run: self.run.id.clone(),
            task: id.task,
            question: self.questions.get(&id.task).copied().unwrap_or(0),
            answer: match answer {
                ["run"] => Prepared::Run,
                ["skip"] => Prepared::Skip,
                ["fail"] => Prepared::Fail(FailureCause::new(FailureKind::Permanent, "broken")),
                [items, "items"] => {
                    let items: u32 = items.parse().unwrap();
                    Prepared::Items((0..items).map(|n| Json(n.to_string().into())).collect())
                }
                other => panic!("`{other:?}` is no answer"),
            },
        }
    }

    /// `ok`, `fail`, `fail permanent`, `fail after 30`, `skip`, `cancelled`, `lost`; with a number
    /// in front: of that attempt, not of the last.
    fn ended(&self, name: &str, how: &[&str]) -> Event {
        let id = self.task_run(name);
        let of_it: Vec<&AttemptId> = self.attempts.iter().filter(|a| a.task_run == id).collect();
        let number = how[0]
            .strip_prefix('#')
            .map(|n| n.parse::<usize>().unwrap());
        let how = if number.is_some() { &how[1..] } else { how };
        let count = number.unwrap_or(of_it.len());
        let attempt = of_it.get(count.wrapping_sub(1));
        let attempt = (*attempt.unwrap_or_else(|| panic!("`{name}` has not started"))).clone();
        let failed = |kind, retry_after| AttemptOutcome::Failed {
            cause: FailureCause::new(kind, "broken"),
            retry_after,
        };
        let outcome = match how {
            ["ok"] => AttemptOutcome::Success,
            ["skip"] => AttemptOutcome::Skipped,
            ["cancelled"] => AttemptOutcome::Cancelled,
            ["fail"] => failed(FailureKind::Retryable, None),
            ["fail", "permanent"] => failed(FailureKind::Permanent, None),
            ["fail", "after", seconds] => {
                let wait = Duration::from_secs(seconds.parse().unwrap());
                failed(FailureKind::Retryable, Some(wait))
            }
            ["lost"] => {
                let message = "gone".into();
                return Event::AttemptLost { attempt, message };
            }
            other => panic!("`{other:?}` is no end"),
        };
        finished(attempt, outcome)
    }

    fn handle(&mut self, event: Event) -> String {
        let actions = self.engine.handle(self.now, [event]);
        let said: Vec<String> = actions.iter().map(|action| self.say(action)).collect();
        said.join(", ")
    }

    fn say(&mut self, action: &Action) -> String {
        match action {
            Action::Record(transition) => {
                self.ledger.apply(transition);
                self.say_transition(transition)
            }
            Action::Prepare { task, question, .. } => {
                self.questions.insert(*task, *question);
                format!("prepare {}", self.name(*task, None))
            }
            Action::Dispatch(attempt) => {
                self.attempts.push(attempt.clone());
                let of = attempt.task_run;
                format!("start {} #{}", self.name(of.task, of.item), attempt.number)
            }
            Action::Abort { attempt, reason } => {
                let of = attempt.task_run;
                let reason = match reason {
                    AbortReason::Cancelled => "cancelled",
                    AbortReason::TimedOut => "timed out",
                };
                format!("abort {} ({reason})", self.name(of.task, of.item))
            }
        }
    }

    fn say_transition(&self, transition: &Transition) -> String {
        match transition {
            Transition::Run { state, .. } => format!("run {state}"),
            Transition::Expanded { task, items, .. } => {
                format!("{} expanded {}", self.name(*task, None), items.len())
            }
            Transition::Task {
                task_run,
                generation,
                state,
                ..
            } => {
                let name = self.name(task_run.task, task_run.item);
                let state = match state {
                    TaskState::Waiting if *generation > 0 => {
                        format!("waiting (generation {generation})")
                    }
                    TaskState::Waiting => "waiting".into(),
                    TaskState::Expanded { items } => format!("expanded {items}"),
                    TaskState::Ready => "ready".into(),
                    TaskState::Running { .. } => "running".into(),
                    TaskState::RetryWait { until } => {
                        format!("retry in {}s", (*until - self.now).num_seconds())
                    }
                    TaskState::Finished { outcome, .. } => match outcome {
                        Outcome::Success => "success".into(),
                        Outcome::Failed(cause) => format!("failed ({})", cause.message),
                        Outcome::Skipped => "skipped".into(),
                        Outcome::UpstreamFailed => "upstream_failed".into(),
                        Outcome::Cancelled => "cancelled".into(),
                    },
                };
                format!("{name} {state}")
            }
        }
    }

    fn name(&self, task: TaskIndex, item: Option<u32>) -> String {
        let name = &self.dag.task(task).id;
        item.map_or(name.to_string(), |item| format!("{name}.{item}"))
    }

    fn index(&self, name: &str) -> TaskIndex {
        let known = self.dag.index_of(name);
        known.unwrap_or_else(|| panic!("no task `{name}`"))
    }

    fn task_run(&self, name: &str) -> TaskRunId {
        let (name, item) = match name.split_once('.') {
            Some((name, item)) => (name, item.parse().ok()),
            None => (name, None),
        };
        let task = self.index(name);
        TaskRunId { task, item }
    }
}

fn task<'a>(name: &str, words: impl Iterator<Item = &'a str>, before: &[Task]) -> Task {
    let mut task = plain(name);
    task.retry.delay = Duration::from_secs(10);
    task.retry.backoff = Backoff::Constant;
    task.retry.jitter = 0.0;
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "<" => {}
            "rule" => {
                let rule = TriggerRule::ALL.iter().find(|(name, _)| *name == value);
                task.rule = rule.unwrap().1;
            }
            "dynamic" => task.dynamic = true,
            "continue" => task.continue_on_failure = true,
            "retries" => task.retry.retries = value.parse().unwrap(),
            "never_twice" => task.retry.on = vec![FailureKind::Retryable],
            "timeout" => task.timeout = Some(Duration::from_secs(value.parse().unwrap())),
            "priority" => task.priority = value.parse().unwrap(),
            "concurrency" => task.concurrency = value.parse().ok(),
            "pool" => {
                let (pool, slots) = value.split_once(':').unwrap();
                task.pool = Some((PoolId::new(pool).unwrap(), slots.parse().unwrap()));
            }
            need => {
                let at = before.iter().position(|task| task.id.as_str() == need);
                let at = at.unwrap_or_else(|| panic!("no task `{need}`"));
                task.needs.push(TaskIndex(u32::try_from(at).unwrap()));
            }
        }
    }
    task
}

/// One test a story: its name says what it shows.
macro_rules! stories {
    ($($name:ident: $story:literal)*) => {
        $(#[test] fn $name() { crate::engine::scenario::check($story); })*
    };
}

pub(crate) use stories;
