//! Large runs: every event costs what it changes, not what there is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use runner::engine::{Action, Engine, Event, Limits, Prepared};
use runner::model::{
    AttemptId, AttemptOutcome, Dag, DagId, Json, PoolId, RunState, Task, TaskIndex, Timestamp,
    Transition,
};

use super::executor::finished;
use super::plan::{plain, spec, start};

const MANY: u32 = 100_000;

/// Looking at all tasks for each of them would take hours; a loaded machine takes seconds.
const LONGEST: Duration = Duration::from_secs(30);

/// Plays a run to its end, everything succeeding in the order of its start; returns the attempts.
fn play(engine: &mut Engine, tasks: Vec<Task>, max_active: Option<u32>, items: u32) -> usize {
    let began = Instant::now();
    let (run, dag) = run(tasks, max_active);
    let now: Timestamp = start();
    let mut batch = vec![Event::Triggered { run, dag }];
    let mut attempts = 0;
    let mut end = None;
    while !batch.is_empty() {
        // Small batches: as a daemon that is not yet busy.
        let rest = batch.split_off(batch.len().min(16));
        let actions = engine.handle(now, std::mem::replace(&mut batch, rest));
        for action in actions {
            match action {
                Action::Dispatch(attempt) => {
                    attempts += 1;
                    batch.push(success(attempt));
                }
                Action::Prepare {
                    run,
                    task,
                    question,
                } => {
                    let answer = Prepared::Items(vec![Json::null(); items as usize]);
                    batch.push(Event::Prepared {
                        run,
                        task,
                        question,
                        answer,
                    });
                }
                Action::Record(Transition::Run { state, .. }) => end = Some(state),
                Action::Record(_) => {}
                Action::Abort { .. } => panic!("nothing is to end"),
            }
        }
    }
    assert_eq!(end, Some(RunState::Success));
    assert!(began.elapsed() < LONGEST, "it took {:?}", began.elapsed());
    attempts
}

fn run(tasks: Vec<Task>, max_active_tasks: Option<u32>) -> (Arc<runner::model::RunSpec>, Arc<Dag>) {
    let dag = Dag {
        id: DagId::new("r").unwrap(),
        tasks,
        max_active_tasks,
    };
    (Arc::new(spec("r", 1)), Arc::new(dag))
}

fn success(attempt: AttemptId) -> Event {
    finished(attempt, AttemptOutcome::Success)
}

fn many(count: u32, needs: impl Fn(u32) -> Vec<TaskIndex>) -> Vec<Task> {
    (0..count)
        .map(|index| Task {
            needs: needs(index),
            ..plain(&format!("t{index}"))
        })
        .collect()
}

fn limited() -> Engine {
    let pool = PoolId::new("db").unwrap();
    Engine::new(&Limits {
        max_active_tasks: Some(64),
        pools: [(pool, 10)].into(),
    })
}

#[test]
fn a_long_chain() {
    let tasks = many(MANY, |index| {
        index.checked_sub(1).map(TaskIndex).into_iter().collect()
    });
    assert_eq!(play(&mut limited(), tasks, None, 0), MANY as usize);
}

#[test]
fn a_wide_fan_out_and_in_under_every_limit() {
    let last = MANY - 1;
    let mut tasks = many(MANY, |index| match index {
        0 => Vec::new(),
        index if index == last => (1..last).map(TaskIndex).collect(),
        _ => vec![TaskIndex(0)],
    });
    for task in &mut tasks {
        task.pool = Some((PoolId::new("db").unwrap(), 1));
    }
    assert_eq!(play(&mut limited(), tasks, Some(8), 0), MANY as usize);
}

#[test]
fn a_large_foreach_under_its_own_limit() {
    let mut tasks = many(2, |index| vec![TaskIndex(0); index as usize]);
    tasks[0].dynamic = true;
    tasks[0].concurrency = Some(16);
    assert_eq!(play(&mut limited(), tasks, None, MANY), MANY as usize + 1);
}

#[test]
fn a_large_run_is_restored_and_cancelled() {
    let began = Instant::now();
    let mut engine = limited();
    let (run, dag) = run(many(MANY, |_| Vec::new()), Some(1));
    let event = Event::Triggered {
        run: run.clone(),
        dag: dag.clone(),
    };
    engine.handle(start(), [event]);
    let tasks = engine.snapshots(&run.id).unwrap();
    let mut restored = limited();
    let event = Event::Restored {
        run: run.clone(),
        dag,
        state: RunState::Running,
        tasks,
    };
    let actions = restored.handle(start(), [event]);
    let starts = |action: &&Action| matches!(action, Action::Dispatch(_));
    assert_eq!(actions.iter().filter(starts).count(), 1);
    let cancel = Event::CancelRequested {
        run: run.id.clone(),
    };
    let actions = restored.handle(start(), [cancel]);
    // The run, an abort, and everything that waited.
    assert_eq!(actions.len(), MANY as usize + 1);
    assert!(began.elapsed() < LONGEST, "it took {:?}", began.elapsed());
}
