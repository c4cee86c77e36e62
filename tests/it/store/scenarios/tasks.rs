//! Promises about task runs, items and attempts.

use runner::model::{
    AttemptOutcome, FailureCause, FailureKind, Outcome, RunState, TaskIndex, TaskState,
};
use runner::store::StoreError;

use super::super::values::{
    Stand, at, cause, expanded, failure, id, item, json, owner, run_is, success, task,
};

use super::shared::{Store, create, load, only_run};

pub async fn keeps_every_state_of_a_task_run(store: Store) {
    create(&store, &["r1"]).await;
    let finished = |outcome| TaskState::Finished { outcome, at: at(9) };
    let states = [
        TaskState::Waiting,
        TaskState::Expanded { items: 2 },
        TaskState::Ready,
        TaskState::Running {
            started: at(1),
            deadline: None,
        },
        TaskState::Running {
            started: at(1),
            deadline: Some(at(2)),
        },
        TaskState::RetryWait { until: at(3) },
        finished(Outcome::Success),
        finished(Outcome::Failed(cause())),
        finished(Outcome::Failed(FailureCause::new(FailureKind::Lost, ""))),
        finished(Outcome::Skipped),
        finished(Outcome::UpstreamFailed),
        finished(Outcome::Cancelled),
    ];
    let stands: Vec<Stand> = (1..)
        .zip(states)
        .map(|(number, state)| Stand::new(task(number), state).attempts(number))
        .collect();
    let batch: Vec<_> = stands.iter().rev().map(|stand| stand.of("r1")).collect();
    store.commit(&owner("a"), &batch).await.unwrap();

    let stored: Vec<Stand> = load(&store, "r1")
        .await
        .tasks
        .into_iter()
        .map(Stand)
        .collect();
    assert_eq!(format!("{stored:#?}"), format!("{stands:#?}"));
    let rows = store.task_runs(&id("r1")).await.unwrap();
    for (row, Stand(expected)) in rows.iter().zip(&stands) {
        assert_eq!(
            (row.id, row.attempts, row.generation, &row.state),
            (expected.id, expected.attempts, 0, &expected.state)
        );
        assert_eq!(row.result, None);
    }
    assert_eq!(rows.len(), stands.len());
}

pub async fn takes_the_last_of_many_changes(store: Store) {
    create(&store, &["r1"]).await;
    let done = Stand::finished(task(0), Outcome::Success, 2, 40);
    let batch = [
        run_is("r1", RunState::Running, 10),
        Stand::new(task(0), TaskState::Ready).of("r1"),
        Stand::running(task(0), 1, 10).of("r1"),
        Stand::new(task(0), TaskState::RetryWait { until: at(30) })
            .attempts(1)
            .ending("r1", 10, 20, failure()),
        Stand::running(task(0), 2, 30).of("r1"),
        done.ending("r1", 30, 40, success("{}")),
        run_is("r1", RunState::Success, 40),
    ];
    store.commit(&owner("a"), &batch).await.unwrap();
    let row = only_run(&store).await;
    assert_eq!(
        (row.state, row.started, row.finished),
        (RunState::Success, Some(at(10)), Some(at(40)))
    );
    let rows = store.task_runs(&id("r1")).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].started, Some(at(10)));
    assert_eq!(rows[0].state, done.0.state);
    assert_eq!(rows[0].result, Some(success("{}")));
    let numbers: Vec<u32> = attempt_numbers(&store, None).await;
    assert_eq!(numbers, [1, 2]);
}

async fn attempt_numbers(store: &Store, of: Option<u32>) -> Vec<u32> {
    let attempts = store.attempts(&id("r1"), of.map(TaskIndex)).await.unwrap();
    attempts.iter().map(|attempt| attempt.number).collect()
}

pub async fn keeps_the_history_of_attempts(store: Store) {
    create(&store, &["r1"]).await;
    let batch = [
        Stand::finished(task(1), Outcome::Success, 1, 5).ending("r1", 1, 5, success("[1]")),
        Stand::new(task(0), TaskState::RetryWait { until: at(9) })
            .attempts(1)
            .ending("r1", 1, 4, failure()),
    ];
    store.commit(&owner("a"), &batch).await.unwrap();
    let batch =
        [Stand::finished(task(0), Outcome::Success, 2, 12).ending("r1", 9, 12, success("[2]"))];
    store.commit(&owner("a"), &batch).await.unwrap();
    // A new generation begins with attempt 1 again and has no result yet.
    let batch = [Stand::running(task(0), 1, 20)
        .generation(1)
        .fence(9)
        .of("r1")];
    store.commit(&owner("a"), &batch).await.unwrap();

    let attempts = store.attempts(&id("r1"), None).await.unwrap();
    let seen: Vec<_> = attempts
        .iter()
        .map(|row| (row.id, row.number, row.started, row.finished, &row.result))
        .collect();
    assert_eq!(
        seen,
        [
            (task(0), 1, at(1), at(4), &failure()),
            (task(1), 1, at(1), at(5), &success("[1]")),
            (task(0), 2, at(9), at(12), &success("[2]")),
        ]
    );
    assert_eq!(attempt_numbers(&store, Some(0)).await, [1, 2]);
    assert!(attempt_numbers(&store, Some(2)).await.is_empty());
    let results = store.results(&id("r1"), TaskIndex(1)).await.unwrap();
    assert_eq!(results, [(task(1), success("[1]"))]);
    assert_eq!(store.results(&id("r1"), TaskIndex(0)).await.unwrap(), []);
    let rows = store.task_runs(&id("r1")).await.unwrap();
    assert_eq!(rows[0].result, None);
    assert_eq!(rows[1].result, Some(success("[1]")));
}

pub async fn knows_the_first_start_of_a_generation(store: Store) {
    create(&store, &["r1"]).await;
    let steps = [
        (Stand::new(task(0), TaskState::Ready), None),
        (Stand::running(task(0), 1, 10), Some(at(10))),
        (Stand::running(task(0), 2, 20), Some(at(10))),
        (
            Stand::new(task(0), TaskState::Waiting)
                .generation(1)
                .fence(5),
            None,
        ),
        (
            Stand::running(task(0), 1, 30).generation(1).fence(6),
            Some(at(30)),
        ),
    ];
    for (stand, started) in steps {
        store.commit(&owner("a"), &[stand.of("r1")]).await.unwrap();
        let rows = store.task_runs(&id("r1")).await.unwrap();
        assert_eq!(rows[0].started, started, "{stand:?}");
    }
}

pub async fn keeps_the_first_start_when_a_batch_is_repeated(store: Store) {
    create(&store, &["r1"]).await;
    let first = Stand::running(item(1, 0), 1, 20).generation(1).fence(5);
    store.commit(&owner("a"), &[first.of("r1")]).await.unwrap();
    // It leads through what came before, and says less exactly when it began.
    let batch = [
        Stand::running(item(1, 0), 1, 10).of("r1"),
        Stand::running(item(1, 0), 2, 30)
            .generation(1)
            .fence(6)
            .of("r1"),
    ];
    store.commit(&owner("a"), &batch).await.unwrap();
    let rows = store.task_runs(&id("r1")).await.unwrap();
    assert_eq!(rows[0].started, Some(at(20)));
}

pub async fn expands_into_items(store: Store) {
    create(&store, &["r1"]).await;
    let items = [r#""a""#, r#"{"b": [1.0, null]}"#, "3"];
    let batch = [
        run_is("r1", RunState::Running, 1),
        expanded("r1", 1, 0, &items),
        Stand::running(item(1, 0), 1, 2).of("r1"),
    ];
    store.commit(&owner("a"), &batch).await.unwrap();

    let stored = load(&store, "r1").await;
    let expected = [
        Stand::new(task(1), TaskState::Expanded { items: 3 }).0,
        Stand::running(item(1, 0), 1, 2).0,
        Stand::new(item(1, 1), TaskState::Ready).0,
        Stand::new(item(1, 2), TaskState::Ready).0,
    ];
    assert_eq!(stored.tasks, expected);
    let values = items.map(json).to_vec();
    assert_eq!(stored.items, [(TaskIndex(1), values.clone())].into());
    assert_eq!(store.items(&id("r1"), TaskIndex(1)).await.unwrap(), values);
    assert_eq!(store.items(&id("r1"), TaskIndex(0)).await.unwrap(), []);

    let batch = [
        Stand::finished(item(1, 1), Outcome::Skipped, 0, 3).of("r1"),
        Stand::finished(item(1, 2), Outcome::Success, 1, 3).ending("r1", 2, 3, success("2")),
        Stand::finished(item(1, 0), Outcome::Success, 1, 4).ending("r1", 2, 4, success("0")),
        Stand::finished(task(1), Outcome::Success, 0, 4).of("r1"),
    ];
    store.commit(&owner("a"), &batch).await.unwrap();
    let results = store.results(&id("r1"), TaskIndex(1)).await.unwrap();
    let expected = [(item(1, 0), success("0")), (item(1, 2), success("2"))];
    assert_eq!(results, expected);
    let stored = load(&store, "r1").await;
    assert_eq!(stored.items[&TaskIndex(1)].len(), 3, "for a retry");
}

pub async fn replaces_items_by_a_later_expansion(store: Store) {
    create(&store, &["r1"]).await;
    let first = [
        expanded("r1", 1, 0, &["1", "2", "3"]),
        Stand::running(item(1, 0), 4, 2).of("r1"),
    ];
    store.commit(&owner("a"), &first).await.unwrap();
    let second = [
        Stand::new(task(1), TaskState::Waiting)
            .generation(1)
            .of("r1"),
        expanded("r1", 1, 1, &["9", "8", "7", "6"]),
        expanded("r1", 1, 1, &["5"]),
    ];
    store.commit(&owner("a"), &second).await.unwrap();
    let stored = load(&store, "r1").await;
    let expected = [
        Stand::new(task(1), TaskState::Expanded { items: 1 })
            .generation(1)
            .0,
        Stand::new(item(1, 0), TaskState::Ready).generation(1).0,
    ];
    assert_eq!(stored.tasks, expected);
    assert_eq!(stored.items, [(TaskIndex(1), vec![json("5")])].into());
    let empty = [expanded("r1", 1, 2, &[])];
    store.commit(&owner("a"), &empty).await.unwrap();
    assert_eq!(load(&store, "r1").await.items, [].into());
    let late = store.commit(&owner("a"), &first).await;
    assert_eq!(late, Err(StoreError::Fenced { run: id("r1") }));
}

pub async fn forgets_items_of_the_past(store: Store) {
    create(&store, &["r1"]).await;
    let batch = [
        expanded("r1", 1, 0, &["1", "2"]),
        Stand::finished(item(1, 0), Outcome::Success, 1, 4).ending("r1", 2, 4, success("0")),
        Stand::new(task(1), TaskState::Waiting)
            .generation(1)
            .of("r1"),
    ];
    store.commit(&owner("a"), &batch).await.unwrap();
    let stored = load(&store, "r1").await;
    let group = Stand::new(task(1), TaskState::Waiting).generation(1).0;
    assert_eq!(stored.tasks, [group]);
    assert_eq!(stored.items, [].into());
    assert_eq!(store.task_runs(&id("r1")).await.unwrap().len(), 1);
    assert_eq!(store.items(&id("r1"), TaskIndex(1)).await.unwrap(), []);
    assert_eq!(store.results(&id("r1"), TaskIndex(1)).await.unwrap(), []);
    assert_eq!(attempt_numbers(&store, None).await, [1], "history stays");
}

pub async fn refuses_what_is_older(store: Store) {
    create(&store, &["r1"]).await;
    let ready = |fence| Stand::new(task(0), TaskState::Ready).fence(fence);
    let steps = [
        (vec![ready(5)], true),
        (vec![ready(4)], false),
        (vec![ready(5)], true),
        (vec![ready(6), ready(5)], false),
        (vec![ready(4), ready(5)], true),
        (vec![ready(2).generation(1)], true),
        (vec![ready(9)], false),
        (vec![ready(1).generation(1)], false),
        (vec![ready(3).generation(1)], true),
    ];
    for (number, (stands, taken)) in steps.into_iter().enumerate() {
        let mut batch: Vec<_> = stands.iter().map(|stand| stand.of("r1")).collect();
        batch.push(run_is(
            "r1",
            RunState::Running,
            i64::try_from(number).unwrap(),
        ));
        batch.push(expanded("r1", 1, 0, &["1"]));
        let before = (load(&store, "r1").await, only_run(&store).await);
        let answer = store.commit(&owner("a"), &batch).await;
        if taken {
            assert_eq!(answer, Ok(()), "step {number}");
        } else {
            let expected = StoreError::Fenced { run: id("r1") };
            assert_eq!(answer, Err(expected), "step {number}");
            let after = (load(&store, "r1").await, only_run(&store).await);
            assert_eq!(after, before, "step {number}");
        }
    }
    assert_eq!(load(&store, "r1").await.tasks[0].fence, 3);
}

pub async fn takes_the_same_batch_again(store: Store) {
    create(&store, &["r1"]).await;
    let batches = [
        vec![
            run_is("r1", RunState::Running, 1),
            Stand::running(task(0), 1, 1).of("r1"),
            expanded("r1", 1, 0, &["1", "2"]),
            Stand::running(item(1, 0), 1, 2).of("r1"),
        ],
        vec![
            Stand::new(task(0), TaskState::RetryWait { until: at(9) })
                .attempts(1)
                .ending("r1", 1, 4, failure()),
            Stand::running(task(0), 2, 9).of("r1"),
        ],
        vec![
            Stand::finished(task(0), Outcome::Success, 2, 12).ending("r1", 9, 12, success("1")),
            run_is("r1", RunState::Failed, 12),
            run_is("r1", RunState::Running, 13),
            Stand::new(task(1), TaskState::Waiting)
                .generation(1)
                .of("r1"),
            expanded("r1", 1, 1, &["3"]),
        ],
    ];
    for batch in batches {
        store.commit(&owner("a"), &batch).await.unwrap();
        let state = || async {
            (
                load(&store, "r1").await,
                only_run(&store).await,
                store.task_runs(&id("r1")).await.unwrap(),
                store.attempts(&id("r1"), None).await.unwrap(),
            )
        };
        let before = state().await;
        store.commit(&owner("a"), &batch).await.unwrap();
        assert_eq!(state().await, before);
    }
}

pub async fn survives_large_batches(store: Store) {
    create(&store, &["r1"]).await;
    let values: Vec<String> = (0..10_000).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let mut batch = vec![expanded("r1", 0, 0, &values)];
    batch.extend((0..10_000).map(|n| Stand::running(item(0, n), 1, 1).of("r1")));
    store.commit(&owner("a"), &batch).await.unwrap();
    let batch: Vec<_> = (0..10_000)
        .map(|n| {
            Stand::finished(item(0, n), Outcome::Success, 1, 2).ending("r1", 1, 2, success("0"))
        })
        .collect();
    store.commit(&owner("a"), &batch).await.unwrap();
    assert_eq!(load(&store, "r1").await.tasks.len(), 10_001);
    let results = store.results(&id("r1"), TaskIndex(0)).await.unwrap();
    assert_eq!(results.len(), 10_000);
    assert_eq!(results[9_999].0, item(0, 9_999));
    assert_eq!(results[0].1.outcome, AttemptOutcome::Success);
    let items = store.items(&id("r1"), TaskIndex(0)).await.unwrap();
    assert_eq!(items[9_999], json(values[9_999]));
}
