//! Cases for the simulation: DAGs of every shape, and how unkind the world is to them.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use runner::engine::Limits;
use runner::model::{
    Backoff, Dag, DagId, DataInterval, FailureKind, Json, PoolId, RetryPolicy, RunId, RunSpec,
    Task, TaskId, TaskIndex, TriggerKind, TriggerRule,
};

/// One simulation, fully decided.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) runs: Vec<RunPlan>,
    pub(crate) limits: LimitPlan,
    pub(crate) chaos: Chaos,
    /// Decides everything else: outcomes, durations, the moments of what goes wrong.
    pub(crate) seed: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct RunPlan {
    pub(crate) tasks: Vec<TaskPlan>,
    pub(crate) max_active: Option<u32>,
    pub(crate) priority: i32,
    /// Every how many tasks one is left out; 0: none.
    pub(crate) left_out: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct TaskPlan {
    /// How far before it the tasks are that it needs.
    pub(crate) needs: Vec<u32>,
    pub(crate) rule: TriggerRule,
    pub(crate) kind: Kind,
    pub(crate) retries: u32,
    pub(crate) on: Vec<FailureKind>,
    pub(crate) timeout: Option<u64>,
    pub(crate) pool: Option<(bool, u32)>,
    pub(crate) priority: i32,
    pub(crate) concurrency: Option<u32>,
    pub(crate) continue_on_failure: bool,
}

/// What a task turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    If(bool),
    Foreach(u32),
    Broken,
}

#[derive(Debug, Clone)]
pub(crate) struct LimitPlan {
    pub(crate) all: Option<u32>,
    pub(crate) first: u32,
    pub(crate) second: Option<u32>,
}

/// How often things go wrong, in percent of the steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chaos {
    pub(crate) crash: u8,
    /// No more crashes than this.
    pub(crate) crashes: usize,
    pub(crate) noise: u8,
    pub(crate) person: u8,
    /// Of the attempts.
    pub(crate) failure: u8,
}

pub(crate) fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_600_000_000, 0).unwrap()
}

fn rules(all: bool) -> BoxedStrategy<TriggerRule> {
    // What `all_success` and `all_skipped` end as may depend on which need ends first.
    let is_settled =
        |rule: &TriggerRule| !matches!(rule, TriggerRule::AllSuccess | TriggerRule::AllSkipped);
    let rules: Vec<TriggerRule> = TriggerRule::ALL.iter().map(|(_, rule)| *rule).collect();
    if all {
        prop_oneof![1 => Just(TriggerRule::AllSuccess), 2 => prop::sample::select(rules)].boxed()
    } else {
        let rules: Vec<TriggerRule> = rules.into_iter().filter(is_settled).collect();
        prop::sample::select(rules).boxed()
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        6 => Just(Kind::Plain),
        1 => any::<bool>().prop_map(Kind::If),
        3 => (0_u32..6).prop_map(Kind::Foreach),
        1 => Just(Kind::Broken),
    ]
}

fn causes() -> impl Strategy<Value = Vec<FailureKind>> {
    prop_oneof![
        3 => Just(RetryPolicy::default().on),
        1 => Just(vec![FailureKind::Retryable]),
        1 => Just(vec![FailureKind::Lost, FailureKind::Permanent]),
    ]
}

fn tasks(all: bool) -> impl Strategy<Value = TaskPlan> {
    let policy = (
        0_u32..4,
        causes(),
        prop::option::weighted(0.3, 1_u64..20),
        prop::option::weighted(0.4, (any::<bool>(), 0_u32..4)),
    );
    (
        prop::collection::btree_set(1_u32..5, 0..4),
        rules(all),
        kinds(),
        policy,
        -1_i32..2,
        prop::option::weighted(0.4, 1_u32..4),
        prop::bool::weighted(0.15),
    )
        .prop_map(
            |(needs, rule, kind, policy, priority, concurrency, continue_on_failure)| {
                let (retries, on, timeout, pool) = policy;
                TaskPlan {
                    needs: needs.into_iter().collect(),
                    rule,
                    kind,
                    retries,
                    on,
                    timeout,
                    pool,
                    priority,
                    concurrency,
                    continue_on_failure,
                }
            },
        )
}

fn runs(all: bool) -> impl Strategy<Value = RunPlan> {
    (
        prop::collection::vec(tasks(all), 0..9),
        prop::option::weighted(0.4, 1_u32..4),
        -1_i32..2,
        prop_oneof![3 => Just(0_usize), 1 => 2_usize..4],
    )
        .prop_map(|(tasks, max_active, priority, left_out)| RunPlan {
            tasks,
            max_active,
            priority,
            left_out,
        })
}

fn limits() -> impl Strategy<Value = LimitPlan> {
    (
        prop::option::weighted(0.3, 1_u32..5),
        1_u32..5,
        prop::option::weighted(0.7, 0_u32..4),
    )
        .prop_map(|(all, first, second)| LimitPlan { all, first, second })
}

/// Everything that can happen.
pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let chaos =
        (0_u8..15, 0_u8..30, 0_u8..16, 0_u8..60).prop_map(|(crash, noise, person, failure)| {
            Chaos {
                crash,
                crashes: 25,
                noise,
                person,
                failure,
            }
        });
    let runs = prop::collection::vec(runs(true), 1..4);
    (runs, limits(), chaos, any::<u64>()).prop_map(|(runs, limits, chaos, seed)| Case {
        runs,
        limits,
        chaos,
        seed,
    })
}

/// Cases whose end depends on nobody's timing: no person, no timeout, lost attempts tried again.
pub(crate) fn settled_cases() -> impl Strategy<Value = Case> {
    let runs = prop::collection::vec(runs(false), 1..3);
    (runs, limits(), 0_u8..60, any::<u64>()).prop_map(|(mut runs, limits, failure, seed)| {
        for task in runs.iter_mut().flat_map(|run| &mut run.tasks) {
            task.timeout = None;
            task.on = RetryPolicy::default().on;
        }
        Case {
            runs,
            limits,
            chaos: Chaos {
                crash: 0,
                crashes: 10,
                noise: 0,
                person: 0,
                failure,
            },
            seed,
        }
    })
}

impl LimitPlan {
    pub(crate) fn limits(&self) -> Limits {
        let mut pools = BTreeMap::from([(PoolId::new("first").unwrap(), self.first)]);
        if let Some(slots) = self.second {
            pools.insert(PoolId::new("second").unwrap(), slots);
        }
        Limits {
            max_active_tasks: self.all,
            pools,
        }
    }
}

impl RunPlan {
    pub(crate) fn dag(&self, name: &str) -> Dag {
        let tasks = self.tasks.iter().zip(0_u32..);
        Dag {
            id: DagId::new(name).unwrap(),
            tasks: tasks.map(|(task, index)| task.task(index)).collect(),
            max_active_tasks: self.max_active,
        }
    }

    pub(crate) fn spec(&self, name: &str, seed: u64) -> RunSpec {
        let taken = |index: &usize| self.left_out == 0 || !index.is_multiple_of(self.left_out);
        let named = (0..self.tasks.len())
            .filter(taken)
            .map(|index| format!("t{index}"));
        RunSpec {
            priority: self.priority,
            only: (self.left_out > 0).then(|| named.collect()),
            ..spec(name, seed)
        }
    }
}

/// A run of the DAG of that name.
pub(crate) fn spec(name: &str, seed: u64) -> RunSpec {
    RunSpec {
        id: RunId::new(name).unwrap(),
        dag: DagId::new(name).unwrap(),
        version: String::new(),
        params: Json::null(),
        interval: DataInterval {
            start: start(),
            end: start() + TimeDelta::days(1),
        },
        logical_time: start(),
        trigger: TriggerKind::Manual,
        seed,
        priority: 0,
        only: None,
        created: start(),
    }
}

impl TaskPlan {
    fn task(&self, index: u32) -> Task {
        let needs = self.needs.iter().filter(|back| **back <= index);
        let backoffs = [Backoff::Constant, Backoff::Linear, Backoff::Exponential];
        let pool = |(first, slots): (bool, u32)| {
            let name = if first { "first" } else { "second" };
            (PoolId::new(name).unwrap(), slots)
        };
        Task {
            needs: needs.map(|back| TaskIndex(index - back)).collect(),
            rule: self.rule,
            dynamic: self.kind != Kind::Plain,
            retry: RetryPolicy {
                retries: self.retries,
                delay: Duration::from_secs(u64::from(self.retries)),
                backoff: backoffs[index as usize % 3],
                max_delay: MAX_DELAY,
                jitter: 0.5,
                on: self.on.clone(),
            },
            timeout: self.timeout.map(Duration::from_secs),
            pool: self.pool.map(pool),
            priority: self.priority,
            concurrency: self.concurrency,
            continue_on_failure: self.continue_on_failure,
            ..plain(&format!("t{index}"))
        }
    }
}

pub(crate) const MAX_DELAY: Duration = Duration::from_secs(7);

/// A task without needs, policies or limits.
pub(crate) fn plain(name: &str) -> Task {
    Task {
        id: TaskId::new(name).unwrap(),
        needs: Vec::new(),
        rule: TriggerRule::AllSuccess,
        dynamic: false,
        retry: RetryPolicy::default(),
        timeout: None,
        pool: None,
        priority: 0,
        concurrency: None,
        continue_on_failure: false,
        waits: false,
    }
}
