//! What a store promises, one function a promise.

use std::sync::Arc;

use futures_util::future::join_all;
use runner::model::{
    AttemptOutcome, DagId, FailureCause, FailureKind, Outcome, RunState, TaskIndex, TaskState,
    TriggerKind,
};
use runner::store::{
    Command, CommandKind, DagVersion, NewRun, Owner, RunFilter, RunRow, RunStore, StoreError,
    StoredRun,
};

use super::values::{
    HASH, Stand, at, cause, expanded, failure, id, item, json, new_run, owner, run_is, spec,
    success, task, version,
};

type Store = Arc<dyn RunStore>;

async fn create(store: &Store, runs: &[&str]) {
    let runs: Vec<NewRun> = runs.iter().map(|run| new_run(run)).collect();
    store.create_runs(&runs).await.unwrap();
}

async fn load(store: &Store, run: &str) -> StoredRun {
    store.load(&id(run)).await.unwrap().unwrap()
}

async fn only_run(store: &Store) -> RunRow {
    let mut rows = store.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

pub async fn keeps_versions(store: Store) {
    assert_eq!(store.version(HASH).await.unwrap(), Some(version()));
    let other = DagVersion {
        tasks: Vec::new(),
        ..version()
    };
    store.put_version(&other).await.unwrap();
    assert_eq!(store.version(HASH).await.unwrap(), Some(version()));
    assert_eq!(store.version("no such hash").await.unwrap(), None);
}

pub async fn keeps_what_a_run_was_accepted_with(store: Store) {
    let triggers = [
        TriggerKind::Manual,
        TriggerKind::Schedule,
        TriggerKind::Backfill,
        TriggerKind::Dag { run: id("r0") },
        TriggerKind::Event {
            source: "file `a`".to_owned(),
        },
    ];
    for (number, trigger) in triggers.into_iter().enumerate() {
        let mut new = new_run(&format!("r{number}"));
        new.spec.trigger = trigger;
        new.spec.only = (number > 2).then(|| vec!["fetch".to_owned(), "load".to_owned()]);
        store.create_runs(std::slice::from_ref(&new)).await.unwrap();
        let stored = load(&store, new.spec.id.as_str()).await;
        let fresh = StoredRun {
            spec: new.spec,
            state: RunState::Queued,
            owner: owner("a"),
            tasks: Vec::new(),
            items: [].into(),
        };
        assert_eq!(stored, fresh);
    }
}

pub async fn accepts_a_run_once(store: Store) {
    create(&store, &["r1"]).await;
    let start = [run_is("r1", RunState::Running, 5)];
    store.commit(&owner("a"), &start).await.unwrap();

    create(&store, &["r1", "r1"]).await;
    assert_eq!(load(&store, "r1").await.state, RunState::Running);

    let mut other_spec = new_run("r1");
    other_spec.spec.priority = 5;
    let mut other_owner = new_run("r1");
    other_owner.owner = owner("b");
    for other in [other_spec, other_owner] {
        let refused = store.create_runs(&[other]).await;
        assert_eq!(refused, Err(StoreError::Exists(id("r1"))));
    }
}

pub async fn accepts_runs_all_or_none(store: Store) {
    create(&store, &["r1"]).await;
    let mut other = new_run("r1");
    other.spec.priority = 5;
    let refused = store.create_runs(&[new_run("r2"), other]).await;
    assert_eq!(refused, Err(StoreError::Exists(id("r1"))));

    let mut unknown = new_run("r4");
    unknown.spec.version = "0".repeat(64);
    let refused = store.create_runs(&[new_run("r3"), unknown.clone()]).await;
    let hash = unknown.spec.version;
    assert_eq!(refused, Err(StoreError::UnknownVersion(hash)));

    assert_eq!(only_run(&store).await.id, id("r1"));
    store.create_runs(&[]).await.unwrap();
}

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

pub async fn follows_a_run_through_its_states(store: Store) {
    create(&store, &["r1"]).await;
    let steps = [
        (RunState::Running, 10, Some(10), None),
        (RunState::Cancelling, 20, Some(10), None),
        (RunState::Cancelled, 30, Some(10), Some(30)),
        (RunState::Running, 40, Some(10), None),
        (RunState::Failed, 50, Some(10), Some(50)),
        (RunState::Success, 60, Some(10), Some(60)),
    ];
    assert_eq!(only_run(&store).await.started, None);
    for (state, seconds, started, finished) in steps {
        let step = [run_is("r1", state, seconds)];
        store.commit(&owner("a"), &step).await.unwrap();
        let row = only_run(&store).await;
        assert_eq!(
            (row.state, row.started, row.finished),
            (state, started.map(at), finished.map(at))
        );
        let unfinished = store.owners().await.unwrap();
        assert_eq!(unfinished.is_empty(), state.is_finished());
    }
    let row = only_run(&store).await;
    assert_eq!(row.params, spec("r1").params);
    assert_eq!(row.created, spec("r1").created);
    assert_eq!(row.interval, spec("r1").interval);
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

pub async fn refuses_who_is_not_the_owner(store: Store) {
    create(&store, &["r1", "r2"]).await;
    let batch = [
        run_is("r1", RunState::Running, 1),
        Stand::running(task(0), 1, 1).of("r2"),
    ];
    let refused = store.commit(&owner("b"), &batch).await;
    let expected = StoreError::NotOwner {
        run: id("r1"),
        owner: owner("a"),
    };
    assert_eq!(refused, Err(expected));
    let unknown = [batch[0].clone(), run_is("r3", RunState::Running, 1)];
    let refused = store.commit(&owner("a"), &unknown).await;
    assert_eq!(refused, Err(StoreError::UnknownRun(id("r3"))));
    assert_eq!(load(&store, "r1").await.state, RunState::Queued);
    store.commit(&owner("nobody"), &[]).await.unwrap();
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

pub async fn shares_a_commit_among_callers(store: Store) {
    let names: Vec<String> = (100..200).map(|number| format!("r{number}")).collect();
    let work = names.iter().map(|name| {
        let store = Arc::clone(&store);
        async move {
            store.create_runs(&[new_run(name)]).await.unwrap();
            for number in 1..4 {
                let batch = [Stand::running(task(0), number, 1).of(name)];
                store.commit(&owner("a"), &batch).await.unwrap();
            }
            let kind = CommandKind::Cancel;
            store.put_command(&id(name), &kind, at(1)).await.unwrap();
            let batch = [run_is(name, RunState::Success, 9)];
            store.commit(&owner("a"), &batch).await.unwrap();
        }
    });
    join_all(work).await;
    let filter = RunFilter {
        states: vec![RunState::Success],
        ..RunFilter::default()
    };
    assert_eq!(store.runs(&filter).await.unwrap().len(), names.len());
    let commands = store.take_commands(&owner("a")).await.unwrap();
    assert_eq!(commands.len(), names.len());
    for name in names {
        assert_eq!(load(&store, &name).await.tasks[0].attempts, 3);
    }
}

pub async fn refuses_one_of_many_callers(store: Store) {
    let names: Vec<String> = (100..150).map(|number| format!("r{number}")).collect();
    let runs: Vec<NewRun> = names.iter().map(|name| new_run(name)).collect();
    store.create_runs(&runs).await.unwrap();
    let work = names.iter().enumerate().map(|(number, name)| {
        let store = Arc::clone(&store);
        async move {
            let who = if number % 7 == 3 { "b" } else { "a" };
            let batch = [expanded(name, 0, 0, &["1"])];
            let answer = store.commit(&owner(who), &batch).await;
            assert_eq!(answer.is_ok(), who == "a", "{name}: {answer:?}");
            assert_eq!(load(&store, name).await.tasks.is_empty(), who == "b");
        }
    });
    join_all(work).await;
}

pub async fn hands_runs_over_once(store: Store) {
    create(&store, &["r1", "r2", "r3"]).await;
    let batch = [
        run_is("r2", RunState::Running, 1),
        Stand::running(task(0), 1, 1).of("r2"),
        run_is("r3", RunState::Success, 1),
    ];
    store.commit(&owner("a"), &batch).await.unwrap();
    let daily = DagId::new("daily").unwrap();
    let entry = |owner: &Owner, run| (owner.clone(), id(run), daily.clone());
    let unfinished = store.owners().await.unwrap();
    assert_eq!(
        unfinished,
        [entry(&owner("a"), "r1"), entry(&owner("a"), "r2")]
    );

    let claims = ["b", "c", "d"].map(|name| {
        let store = Arc::clone(&store);
        async move { store.adopt(&owner("a"), &owner(name), None).await.unwrap() }
    });
    let taken: Vec<Vec<StoredRun>> = join_all(claims).await;
    let taken: Vec<StoredRun> = taken.into_iter().flatten().collect();
    let ids: Vec<_> = taken.iter().map(|run| run.spec.id.as_str()).collect();
    assert_eq!(ids, ["r1", "r2"]);
    let heir = taken[0].owner.clone();
    assert_eq!(taken[1].owner, heir);
    assert_eq!(taken[1].tasks, [Stand::running(task(0), 1, 1).0]);
    assert_eq!(taken[1], load(&store, "r2").await);
    assert_eq!(
        store.owners().await.unwrap(),
        [entry(&heir, "r1"), entry(&heir, "r2")]
    );

    let late = store.commit(&owner("a"), &batch[..1]).await;
    let expected = StoreError::NotOwner {
        run: id("r2"),
        owner: heir.clone(),
    };
    assert_eq!(late, Err(expected));
    store.commit(&heir, &batch[..1]).await.unwrap();
    let again = store.adopt(&heir, &heir, None).await.unwrap();
    assert_eq!(again.len(), 2, "what was taken without an answer");
}

pub async fn hands_over_a_run_that_has_ended(store: Store) {
    create(&store, &["r1", "r2"]).await;
    let batch = [run_is("r1", RunState::Failed, 1)];
    store.commit(&owner("a"), &batch).await.unwrap();
    let (a, b) = (owner("a"), owner("b"));
    assert_eq!(store.adopt(&b, &a, Some(&id("r1"))).await.unwrap(), []);
    let taken = store.adopt(&a, &b, Some(&id("r1"))).await.unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].state, &taken[0].owner), (RunState::Failed, &b));
    assert_eq!(store.adopt(&a, &b, Some(&id("r1"))).await.unwrap(), []);
    assert_eq!(store.adopt(&a, &b, Some(&id("r9"))).await.unwrap(), []);
    assert_eq!(load(&store, "r2").await.owner, a);
}

pub async fn gives_commands_once(store: Store) {
    create(&store, &["r1", "r2"]).await;
    store
        .adopt(&owner("a"), &owner("b"), Some(&id("r2")))
        .await
        .unwrap();
    let kinds = [
        CommandKind::Mark {
            task: TaskIndex(1),
            outcome: Outcome::Failed(cause()),
        },
        CommandKind::Cancel,
        CommandKind::Retry {
            tasks: vec![TaskIndex(0), TaskIndex(2)],
        },
    ];
    for kind in &kinds {
        for run in ["r1", "r2", "r1"] {
            store.put_command(&id(run), kind, at(3)).await.unwrap();
        }
    }
    let of = |run: &str| kinds.clone().map(|kind| Command { run: id(run), kind });
    assert_eq!(store.take_commands(&owner("a")).await.unwrap(), of("r1"));
    assert_eq!(store.take_commands(&owner("a")).await.unwrap(), []);
    assert_eq!(store.take_commands(&owner("c")).await.unwrap(), []);
    assert_eq!(store.take_commands(&owner("b")).await.unwrap(), of("r2"));
    let unknown = store.put_command(&id("r9"), &kinds[1], at(3)).await;
    assert_eq!(unknown, Err(StoreError::UnknownRun(id("r9"))));
}

pub async fn lists_runs_page_by_page(store: Store) {
    let states = [RunState::Running, RunState::Failed, RunState::Success];
    for number in 0..30 {
        let name = format!("r{number:02}");
        let mut new = new_run(&name);
        if number % 2 == 0 {
            new.spec.dag = DagId::new("hourly").unwrap();
        }
        store.create_runs(&[new]).await.unwrap();
        let batch = [run_is(&name, states[number % 3], 1)];
        store.commit(&owner("a"), &batch).await.unwrap();
    }
    let hourly = || Some(DagId::new("hourly").unwrap());
    type Wanted = fn(usize) -> bool;
    let filters: [(Option<DagId>, Vec<RunState>, Wanted); 6] = [
        (None, vec![], |_| true),
        (hourly(), vec![], |n| n % 2 == 0),
        (None, vec![RunState::Failed], |n| n % 3 == 1),
        (hourly(), vec![RunState::Failed], |n| n % 6 == 4),
        (
            hourly(),
            vec![RunState::Success, RunState::Failed, RunState::Success],
            |n| n % 2 == 0 && n % 3 != 0,
        ),
        (None, vec![RunState::Queued], |_| false),
    ];
    for (dag, states, wanted) in filters {
        let expected: Vec<String> = (0..30)
            .rev()
            .filter(|n| wanted(*n))
            .map(|n| format!("r{n:02}"))
            .collect();
        for limit in [0, 1, 4] {
            let mut filter = RunFilter {
                dag: dag.clone(),
                states: states.clone(),
                before: None,
                limit,
            };
            let mut seen = Vec::new();
            loop {
                let page = store.runs(&filter).await.unwrap();
                assert!(limit == 0 || page.len() <= limit as usize);
                let Some(last) = page.last() else { break };
                filter.before = Some(last.id.clone());
                seen.extend(page.iter().map(|row| row.id.to_string()));
            }
            assert_eq!(seen, expected, "{filter:?}");
        }
    }
}

pub async fn finds_runs_by_a_part_of_the_id(store: Store) {
    create(&store, &["ab12", "ab13", "xb12", "z-_z"]).await;
    let cases: [(&str, u32, &[&str]); 7] = [
        ("12", 9, &["xb12", "ab12"]),
        ("ab", 9, &["ab13", "ab12"]),
        ("b1", 2, &["xb12", "ab13"]),
        ("z-_z", 9, &["z-_z"]),
        ("_", 9, &["z-_z"]),
        ("%", 9, &[]),
        ("", 1, &["z-_z"]),
    ];
    for (part, limit, expected) in cases {
        let found = store.find_runs(part, limit).await.unwrap();
        let found: Vec<_> = found.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(found, expected, "{part}");
    }
}

pub async fn answers_about_unknown_runs(store: Store) {
    let nobody = id("r9");
    assert_eq!(store.load(&nobody).await.unwrap(), None);
    assert_eq!(store.task_runs(&nobody).await.unwrap(), []);
    assert_eq!(store.attempts(&nobody, None).await.unwrap(), []);
    assert_eq!(store.results(&nobody, TaskIndex(0)).await.unwrap(), []);
    assert_eq!(store.items(&nobody, TaskIndex(0)).await.unwrap(), []);
    assert_eq!(store.owners().await.unwrap(), []);
    assert_eq!(store.runs(&RunFilter::default()).await.unwrap(), []);
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
