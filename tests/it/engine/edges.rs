//! The edges that no story and no simulation reaches: what a store or another process may say.

use std::sync::Arc;

use runner::engine::{Action, Engine, Event, Limits, Prepared};
use runner::model::{
    AttemptId, AttemptOutcome, Budget, Dag, DagId, Outcome, PoolId, RunId, RunState, Task,
    TaskIndex, TaskRunId, TaskRunSnapshot, TaskState, Transition,
};

use super::executor::finished;
use super::ledger::own;
use super::plan::{plain, spec, start};

fn dag(tasks: Vec<Task>) -> Arc<Dag> {
    Arc::new(Dag {
        id: DagId::new("d").unwrap(),
        tasks,
        max_active_tasks: None,
    })
}

fn triggered(run: &str, dag: &Arc<Dag>) -> Event {
    Event::Triggered {
        run: Arc::new(spec(run, 0)),
        dag: dag.clone(),
    }
}

fn restored(run: &str, dag: &Arc<Dag>, state: RunState, tasks: Vec<TaskRunSnapshot>) -> Event {
    Event::Restored {
        run: Arc::new(spec(run, 0)),
        dag: dag.clone(),
        state,
        tasks,
    }
}

fn first(state: TaskState) -> Vec<TaskRunSnapshot> {
    vec![TaskRunSnapshot {
        id: own(0),
        generation: 0,
        attempts: 1,
        budget: Budget::default(),
        fence: 1,
        state,
    }]
}

fn end(run: &str, state: RunState) -> Action {
    Action::Record(Transition::Run {
        run: RunId::new(run).unwrap(),
        state,
        at: start(),
    })
}

/// A store that wrote the last task's end, and not the run's.
#[test]
fn an_end_that_was_not_written_down_is_made_up_for() {
    let success = TaskState::Finished {
        outcome: Outcome::Success,
        at: start(),
    };
    let dag = dag(vec![plain("a")]);
    let event = restored("r", &dag, RunState::Running, first(success));
    let mut engine = Engine::new(&Limits::default());
    let actions = engine.handle(start(), [event]);
    assert_eq!(actions, vec![end("r", RunState::Success)]);
    assert_eq!(engine.runs().count(), 0);
}

/// A store in which somebody else wrote that the run is to be cancelled.
#[test]
fn a_cancel_that_is_only_written_down_is_carried_out() {
    let dag = dag(vec![plain("a"), plain("b")]);
    let mut engine = Engine::new(&Limits::default());
    let event = restored("r", &dag, RunState::Cancelling, Vec::new());
    let actions = engine.handle(start(), [event]);
    assert_eq!(actions.len(), 3, "{actions:?}");
    assert_eq!(actions.last(), Some(&end("r", RunState::Cancelled)));
}

/// Runs of a process that ended come to one that has its own.
#[test]
fn a_run_that_is_taken_over_takes_no_room_from_the_others() {
    let dag = dag(vec![plain("a")]);
    let mut engine = Engine::new(&Limits {
        max_active_tasks: Some(1),
        ..Limits::default()
    });
    let starts = |actions: &[Action]| {
        let starts = actions.iter().filter_map(|action| match action {
            Action::Dispatch(attempt) => Some(attempt.clone()),
            _ => None,
        });
        starts.collect::<Vec<_>>()
    };
    let mine = starts(&engine.handle(start(), [triggered("mine", &dag)]));
    assert_eq!(mine.len(), 1);
    let running = TaskState::Running {
        started: start(),
        deadline: None,
    };
    let theirs = restored("theirs", &dag, RunState::Running, first(running));
    assert_eq!(starts(&engine.handle(start(), [theirs])), Vec::new());
    let done = finished(mine[0].clone(), AttemptOutcome::Success);
    let next = starts(&engine.handle(start(), [done]));
    assert_eq!(next.len(), 1);
    assert_eq!((next[0].run.as_str(), next[0].number), ("theirs", 2));
}

/// A task that waits for another run leaves room for it, whatever is limited.
#[test]
fn what_only_waits_takes_no_room() {
    let pool = PoolId::new("one").unwrap();
    let task = |name: &str, waits| Task {
        pool: Some((pool.clone(), 1)),
        waits,
        ..plain(name)
    };
    let waiting = dag(vec![task("a", true), task("b", true), task("c", false)]);
    let other = dag(vec![task("a", false)]);
    let mut engine = Engine::new(&Limits {
        max_active_tasks: Some(1),
        pools: std::iter::once((pool.clone(), 1)).collect(),
    });
    let starts = |actions: &[Action]| {
        let starts = actions.iter().filter_map(|action| match action {
            Action::Dispatch(attempt) => Some(attempt.clone()),
            _ => None,
        });
        starts.collect::<Vec<_>>()
    };
    // Two wait and one works: the next must wait for that one, and for no other.
    let begun = starts(&engine.handle(start(), [triggered("waiting", &waiting)]));
    assert_eq!(begun.len(), 3);
    assert_eq!(
        starts(&engine.handle(start(), [triggered("other", &other)])),
        Vec::new()
    );
    let done = finished(begun[2].clone(), AttemptOutcome::Success);
    assert_eq!(starts(&engine.handle(start(), [done])).len(), 1);
    // What ends gives back nothing that it didn't take.
    let waited = finished(begun[0].clone(), AttemptOutcome::Success);
    engine.handle(start(), [waited]);
    let third = triggered("third", &other);
    assert_eq!(starts(&engine.handle(start(), [third])), Vec::new());
}

/// Each event may be nonsense; none of it is a reason to fall.
#[test]
fn nonsense_changes_nothing() {
    let dag = dag(vec![plain("a")]);
    let mut engine = Engine::new(&Limits::default());
    engine.handle(start(), [triggered("r", &dag)]);
    let run = RunId::new("r").unwrap();
    let unknown = RunId::new("unknown").unwrap();
    let far = TaskIndex(u32::MAX);
    let attempt = |run: &RunId, task, item| AttemptId {
        run: run.clone(),
        task_run: TaskRunId { task, item },
        generation: 0,
        number: 1,
        fence: 1,
    };
    let mut events = vec![triggered("r", &dag), Event::Wakeup];
    for run in [&run, &unknown] {
        for (task, item) in [(far, None), (far, Some(u32::MAX)), (TaskIndex(0), Some(0))] {
            let attempt = attempt(run, task, item);
            events.push(finished(attempt.clone(), AttemptOutcome::Success));
            let message = String::new();
            events.push(Event::AttemptLost { attempt, message });
        }
        for task in [far, TaskIndex(0)] {
            events.push(Event::Prepared {
                run: run.clone(),
                task,
                question: 0,
                answer: Prepared::Items(Vec::new()),
            });
            events.push(Event::RetryRequested {
                run: run.clone(),
                tasks: vec![task],
            });
            events.push(Event::ItemRetryRequested {
                run: run.clone(),
                task,
                item: 7,
            });
        }
        for outcome in [Outcome::Success, Outcome::Cancelled] {
            events.push(Event::Marked {
                run: run.clone(),
                task: far,
                outcome,
            });
        }
    }
    events.push(Event::CancelRequested { run: unknown });
    assert_eq!(engine.handle(start(), events), Vec::new());
}

/// A later limit may be smaller than what was taken before.
#[test]
fn what_no_longer_fits_its_pool_fails_after_a_restart() {
    let task = Task {
        pool: Some((PoolId::new("db").unwrap(), 2)),
        ..plain("a")
    };
    let dag = dag(vec![task]);
    let running = TaskState::Running {
        started: start(),
        deadline: None,
    };
    for state in [TaskState::Waiting, TaskState::Ready, running] {
        let pool = PoolId::new("db").unwrap();
        let mut engine = Engine::new(&Limits {
            max_active_tasks: None,
            pools: [(pool, 1)].into(),
        });
        let event = restored("r", &dag, RunState::Running, first(state));
        let actions = engine.handle(start(), [event]);
        assert_eq!(actions.last(), Some(&end("r", RunState::Failed)));
    }
}
