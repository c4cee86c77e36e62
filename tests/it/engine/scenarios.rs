//! What the engine does, told in small stories. See `scenario` for how to read them.

use std::sync::Arc;

use runner::engine::{Action, Engine, Event, Limits, Prepared};
use runner::model::{
    AttemptId, AttemptOutcome, Budget, Dag, DagId, Outcome, PoolId, RunId, RunState, Task,
    TaskIndex, TaskRunId, TaskRunSnapshot, TaskState, Transition,
};

use super::ledger::own;
use super::plan::{plain, spec, start};
use super::scenario::check;
use super::world::finished;

/// One test a story: its name says what it shows.
macro_rules! stories {
    ($($name:ident: $story:literal)*) => {
        $(#[test] fn $name() { check($story); })*
    };
}

stories! {
    a_chain_runs_one_after_the_other: "
        a
        b < a
        > trigger
        run running, a running, start a #1
        > a ok
        a success, b running, start b #1
        > b ok
        b success, run success
    "
    a_failure_ends_everything_behind_it_at_once: "
        a
        b < a
        c < b
        d
        > trigger
        run running, a running, start a #1, d running, start d #1
        > a fail
        a failed (broken), b upstream_failed, c upstream_failed
        > d ok
        d success, run failed
    "
    one_failed_does_not_wait_and_the_run_has_failed_anyway: "
        a
        b
        alarm < a b rule=one_failed
        > trigger
        run running, a running, start a #1, b running, start b #1
        > b fail
        b failed (broken), alarm running, start alarm #1
        > alarm ok
        alarm success
        > a ok
        a success, run failed
    "
    a_task_that_may_fail_counts_as_success: "
        a continue
        b < a
        > trigger
        run running, a running, start a #1
        > a fail
        a failed (broken), b running, start b #1
        > b ok
        b success, run success
    "
    a_retry_waits_and_its_wait_survives_a_crash: "
        a retries=1
        > trigger
        run running, a running, start a #1
        > a fail
        a retry in 10s
        > why a
        Until(2020-09-13T12:26:50Z)
        > crash
        > +9
        > +1
        a running, start a #2
        > a fail
        a failed (broken), run failed
    "
    the_other_side_may_ask_for_a_longer_wait_but_not_for_ever: "
        a retries=2
        > trigger
        run running, a running, start a #1
        > a fail after 30
        a retry in 30s
        > +30
        a running, start a #2
        > a fail after 9000
        a retry in 300s
    "
    some_causes_are_not_worth_a_retry: "
        a retries=5
        > trigger
        run running, a running, start a #1
        > a fail permanent
        a failed (broken), run failed
    "
    an_attempt_ends_at_its_deadline: "
        a timeout=60
        > trigger
        run running, a running, start a #1
        > +60
        abort a (timed out)
        > +60
        > a cancelled
        a failed (it ran longer than its `timeout` of 60s), run failed
    "
    a_success_that_was_faster_than_the_deadline_counts: "
        a timeout=60
        > trigger
        run running, a running, start a #1
        > +60
        abort a (timed out)
        > a ok
        a success, run success
    "
    late_and_double_answers_change_nothing: "
        a retries=1
        > trigger
        run running, a running, start a #1
        > a lost
        a retry in 10s
        > a #1 ok
        > +10
        a running, start a #2
        > a #1 ok
        > a #2 ok
        a success, run success
        > a #2 fail
    "
    a_crash_costs_no_retry: "
        a
        > trigger
        run running, a running, start a #1
        > crash
        a ready, a running, start a #2
        > a #1 ok
        > a #2 ok
        a success, run success
    "
    what_must_never_run_twice_fails_after_a_crash: "
        a never_twice
        > trigger
        run running, a running, start a #1
        > crash
        a failed (the process that ran it ended before it did), run failed
    "
    what_takes_the_process_down_each_time_ends_some_day: "
        a
        > trigger
        run running, a running, start a #1
        > crash
        a ready, a running, start a #2
        > crash
        a ready, a running, start a #3
        > crash
        a ready, a running, start a #4
        > crash
        a ready, a running, start a #5
        > crash
        a ready, a running, start a #6
        > crash
        a ready, a running, start a #7
        > crash
        a ready, a running, start a #8
        > crash
        a ready, a running, start a #9
        > crash
        a ready, a running, start a #10
        > crash
        a ready, a running, start a #11
        > crash
        a failed (the process that ran it ended before it did), run failed
    "
    an_if_decides_and_those_behind_follow: "
        a dynamic
        b < a
        c < a rule=all_done
        > trigger
        prepare a
        > why a
        Preparing
        > prepared a skip
        a skipped, b skipped, run running, c running, start c #1
        > c ok
        c success, run success
    "
    a_foreach_becomes_items_and_the_group_says_how_many_failed: "
        a dynamic concurrency=2
        b < a rule=all_done
        > trigger
        prepare a
        > prepared a 3 items
        a expanded 3, run running, a.0 running, start a.0 #1, a.1 running, start a.1 #1
        > why a
        Items(3)
        > why a.2
        Concurrency(2)
        > a.0 ok
        a.0 success, a.2 running, start a.2 #1
        > a.1 fail
        a.1 failed (broken)
        > a.2 fail permanent
        a.2 failed (broken), a failed (2 of 3 items failed; item 1: broken), b running, start b #1
    "
    a_foreach_over_nothing_is_skipped: "
        a dynamic
        > trigger
        prepare a
        > prepared a 0 items
        a skipped, run success
    "
    a_retry_repeats_only_the_items_that_failed: "
        a dynamic
        b < a
        > trigger
        prepare a
        > prepared a 3 items
        a expanded 3, run running, a.0 running, start a.0 #1, a.1 running, start a.1 #1, a.2 running, start a.2 #1
        > a.0 ok
        a.0 success
        > a.1 fail
        a.1 failed (broken)
        > a.2 ok
        a.2 success, a failed (1 of 3 items failed; item 1: broken), b upstream_failed, run failed
        > restore
        > retry
        run running, a expanded 3, b waiting, a.1 running, start a.1 #2
        > a.1 ok
        a.1 success, a success, b running, start b #1
        > b ok
        b success, run success
    "
    a_retry_begins_at_what_failed_and_does_what_comes_after_again: "
        a
        b < a
        c < b rule=all_done
        > trigger
        run running, a running, start a #1
        > a ok
        a success, b running, start b #1
        > b fail
        b failed (broken), c running, start c #1
        > c ok
        c success, run failed
        > restore
        > retry
        run running, b waiting, c waiting (generation 1), b running, start b #2
        > b ok
        b success, c running, start c #1
        > c ok
        c success, run success
    "
    naming_a_task_that_succeeded_begins_a_new_generation: "
        a
        b < a
        > trigger
        run running, a running, start a #1
        > a ok
        a success, b running, start b #1
        > b fail
        b failed (broken), run failed
        > restore
        > retry a
        run running, a waiting (generation 1), b waiting (generation 1), a running, start a #1
        > a ok
        a success, b running, start b #1
        > b ok
        b success, run success
    "
    a_question_about_what_was_there_before_is_asked_again: "
        a
        b < a dynamic
        > trigger
        run running, a running, start a #1
        > a ok
        a success, prepare b
        > retry a
        a waiting (generation 1), a running, start a #1
        > prepared b run
        > a ok
        a success, prepare b
        > prepared b run
        b running, start b #1
    "
    a_cancel_ends_what_waits_at_once_and_what_runs_when_it_has_stopped: "
        a
        b < a
        c retries=1
        d dynamic
        > trigger
        prepare d, run running, a running, start a #1, c running, start c #1
        > c fail
        c retry in 10s
        > cancel
        run cancelling, abort a (cancelled), b cancelled, c cancelled, d cancelled
        > prepared d run
        > cancel
        > a cancelled
        a cancelled, run cancelled
    "
    a_cancel_survives_a_crash: "
        a
        > trigger
        run running, a running, start a #1
        > cancel
        run cancelling, abort a (cancelled)
        > crash
        a cancelled, run cancelled
    "
    a_cancelled_run_can_be_taken_up_again: "
        a
        b < a
        > trigger
        run running, a running, start a #1
        > cancel
        run cancelling, abort a (cancelled), b cancelled
        > a cancelled
        a cancelled, run cancelled
        > restore
        > retry
        run running, a waiting, b waiting, a running, start a #2
        > a ok
        a success, b running, start b #1
        > b ok
        b success, run success
    "
    a_mark_decides_and_a_retry_goes_on_from_there: "
        a
        b < a
        > trigger
        run running, a running, start a #1
        > a fail
        a failed (broken), b upstream_failed, run failed
        > restore
        > mark a success
        a success
        > restore
        > retry
        run running, b waiting, b running, start b #1
        > b ok
        b success, run success
    "
    a_mark_of_what_runs_waits_until_it_has_stopped: "
        a
        b < a
        > trigger
        run running, a running, start a #1
        > mark a success
        abort a (cancelled)
        > a cancelled
        a success, b running, start b #1
        > b ok
        b success, run success
    "
    a_run_limited_to_some_tasks_takes_the_others_as_done: "
        a
        b < a
        c < b
        with only=b
        > trigger
        a skipped, c skipped, run running, b running, start b #1
        > b ok
        b success, run success
    "
    the_larger_priority_starts_first_then_who_was_ready_first: "
        with limit=1
        a
        b
        c priority=1
        > trigger
        run running, c running, start c #1, a ready, b ready
        > why a
        Limit(1)
        > c ok
        c success, a running, start a #1
        > a ok
        a success, b running, start b #1
        > b ok
        b success, run success
    "
    nobody_overtakes_in_a_pool: "
        with db=3
        a pool=db:2
        b pool=db:2
        c pool=db:1
        d
        > trigger
        run running, a running, start a #1, d running, start d #1, b ready, c ready
        > why b
        Pool { pool: `db`, slots: 3, used: 2 }
        > a ok
        a success, b running, start b #1, c running, start c #1
        > b ok
        b success
    "
    more_slots_than_a_pool_has_fail_at_once: "
        with db=1
        a pool=db:2
        b dynamic pool=db:2
        > trigger
        a failed (it wants 2 slots of pool `db`, which has 1: give the pool more `slots`, or the task fewer), prepare b
        > prepared b 2 items
        b failed (it wants 2 slots of pool `db`, which has 1: give the pool more `slots`, or the task fewer), run failed
    "
    a_run_has_its_own_limit: "
        with run_limit=1
        a
        b
        > trigger
        run running, a running, start a #1, b ready
        > why b
        RunLimit(1)
        > a ok
        a success, b running, start b #1
        > b ok
        b success, run success
    "
    a_run_without_tasks_ends_as_it_begins: "
        with limit=1
        > trigger
        run success
    "
    a_run_that_has_ended_and_is_restored_for_nothing_says_nothing: "
        a
        > trigger
        run running, a running, start a #1
        > a ok
        a success, run success
        > restore
        > cancel
        > restore
        > retry
        > restore
        > mark a success
    "
}

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
