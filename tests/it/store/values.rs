//! Small values to try a store with.

use chrono::DateTime;
use runner::model::{
    AttemptOutcome, AttemptResult, Budget, DagId, DataInterval, Ended, FailureCause, FailureKind,
    Json, Outcome, RunId, RunSpec, RunState, TaskIndex, TaskRunId, TaskRunSnapshot, TaskState,
    Timestamp, Transition, TriggerKind,
};
use runner::store::{DagVersion, NewRun, Owner};

/// So many seconds after a day in 2024.
pub fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(1_720_000_000 + seconds, 123_456_000).unwrap()
}

pub fn owner(name: &str) -> Owner {
    Owner(name.to_owned())
}

pub fn id(run: &str) -> RunId {
    RunId::new(run).unwrap()
}

pub fn json(text: &str) -> Json {
    Json(text.into())
}

pub const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub fn version() -> DagVersion {
    DagVersion {
        hash: HASH.to_owned(),
        dag: DagId::new("daily").unwrap(),
        tasks: vec!["fetch".to_owned(), "load".to_owned(), "mail".to_owned()],
        files: [("pipelines/daily.yaml", "dag: daily\n"), ("sql/a.sql", "")]
            .map(|(path, text)| (path.to_owned(), text.into()))
            .into(),
    }
}

pub fn spec(run: &str) -> RunSpec {
    RunSpec {
        id: id(run),
        dag: DagId::new("daily").unwrap(),
        version: HASH.to_owned(),
        params: json(r#"{"day": "2024-07-03", "factor": 1.10}"#),
        interval: DataInterval {
            start: at(-86_400),
            end: at(0),
        },
        logical_time: at(0),
        trigger: TriggerKind::Manual,
        seed: u64::MAX - 1,
        priority: -3,
        only: None,
        created: at(1),
    }
}

/// A run of owner `a`.
pub fn new_run(run: &str) -> NewRun {
    NewRun {
        spec: spec(run),
        owner: owner("a"),
    }
}

pub fn task(task: u32) -> TaskRunId {
    TaskRunId {
        task: TaskIndex(task),
        item: None,
    }
}

pub fn item(task: u32, item: u32) -> TaskRunId {
    TaskRunId {
        task: TaskIndex(task),
        item: Some(item),
    }
}

pub fn run_is(run: &str, state: RunState, seconds: i64) -> Transition {
    Transition::Run {
        run: id(run),
        state,
        at: at(seconds),
    }
}

pub fn expanded(run: &str, task: u32, generation: u32, items: &[&str]) -> Transition {
    Transition::Expanded {
        run: id(run),
        task: TaskIndex(task),
        generation,
        items: items.iter().map(|text| json(text)).collect(),
        at: at(2),
    }
}

/// A task run and how it stands, to be changed into a transition or a snapshot.
#[derive(Debug, Clone)]
pub struct Stand(pub TaskRunSnapshot);

impl Stand {
    pub fn new(id: TaskRunId, state: TaskState) -> Self {
        Self(TaskRunSnapshot {
            id,
            generation: 0,
            attempts: 0,
            budget: Budget::default(),
            fence: 0,
            state,
        })
    }

    /// Attempt `number`, running since `seconds`.
    pub fn running(id: TaskRunId, number: u32, seconds: i64) -> Self {
        Self::new(
            id,
            TaskState::Running {
                started: at(seconds),
                deadline: (number > 1).then(|| at(seconds + 600)),
            },
        )
        .attempts(number)
    }

    pub fn finished(id: TaskRunId, outcome: Outcome, number: u32, seconds: i64) -> Self {
        let at = at(seconds);
        Self::new(id, TaskState::Finished { outcome, at }).attempts(number)
    }

    /// After so many attempts, each of which raised the fence by one.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self.0.fence = u64::from(attempts);
        self.0.budget.spent = attempts.saturating_sub(1);
        self
    }

    pub fn generation(mut self, generation: u32) -> Self {
        self.0.generation = generation;
        self
    }

    pub fn fence(mut self, fence: u64) -> Self {
        self.0.fence = fence;
        self
    }

    pub fn of(&self, run: &str) -> Transition {
        self.transition(run, None, 0)
    }

    /// With the attempt that ended by it.
    pub fn ending(
        &self,
        run: &str,
        started: i64,
        seconds: i64,
        result: AttemptResult,
    ) -> Transition {
        let number = self.0.attempts;
        let ended = Ended {
            number,
            started: at(started),
            result,
        };
        self.transition(run, Some(ended), seconds)
    }

    fn transition(&self, run: &str, ended: Option<Ended>, seconds: i64) -> Transition {
        let TaskRunSnapshot {
            id: task_run,
            generation,
            attempts,
            budget,
            fence,
            state,
        } = self.0.clone();
        Transition::Task {
            run: id(run),
            task_run,
            generation,
            attempts,
            budget,
            fence,
            state,
            ended,
            at: at(seconds),
        }
    }
}

pub fn success(outputs: &str) -> AttemptResult {
    AttemptResult {
        outcome: AttemptOutcome::Success,
        outputs: json(outputs),
        dataset: Some(json(r#"{"rows":3}"#)),
        metrics: Some(json(r#"{"bytes":1e3}"#)),
    }
}

pub fn cause() -> FailureCause {
    FailureCause::new(
        FailureKind::Retryable,
        "line 1\nquote \" \\ nul \0 ünïcödé 🦀 \u{2028}",
    )
}

pub fn failure() -> AttemptResult {
    AttemptResult {
        outcome: AttemptOutcome::Failed {
            cause: cause(),
            retry_after: Some(std::time::Duration::new(2, 7)),
        },
        outputs: Json::null(),
        dataset: None,
        metrics: None,
    }
}
