//! Promises about who carries runs out: owners, what they commit, and the commands for them.

use std::sync::Arc;

use futures_util::future::join_all;
use runner::model::{DagId, Outcome, RunState, TaskIndex};
use runner::store::{Command, CommandKind, NewRun, Owner, RunFilter, StoreError, StoredRun};

use super::super::values::{Stand, at, cause, expanded, id, new_run, owner, run_is, task};
use super::shared::{Store, create, load};

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

pub async fn shares_a_commit_among_callers(store: Store) {
    let names: Vec<String> = (100..200).map(|number| format!("r{number}")).collect();
    let work = names.iter().map(|name| {
        let store = Arc::clone(&store);
        async move {
            store.begin(&[], &[new_run(name)]).await.unwrap();
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
    let commands = store.commands(&owner("a")).await.unwrap();
    assert_eq!(commands.len(), names.len());
    for name in names {
        assert_eq!(load(&store, &name).await.tasks[0].attempts, 3);
    }
}

pub async fn refuses_one_of_many_callers(store: Store) {
    let names: Vec<String> = (100..150).map(|number| format!("r{number}")).collect();
    let runs: Vec<NewRun> = names.iter().map(|name| new_run(name)).collect();
    store.begin(&[], &runs).await.unwrap();
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

pub async fn keeps_commands_until_they_are_heard(store: Store) {
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
    let of = |run: &str| {
        kinds.clone().map(|kind| Command {
            run: id(run),
            kind,
            at: at(3),
        })
    };
    for _ in 0..2 {
        assert_eq!(store.commands(&owner("a")).await.unwrap(), of("r1"));
    }
    assert_eq!(store.commands(&owner("c")).await.unwrap(), []);
    assert_eq!(store.commands(&owner("b")).await.unwrap(), of("r2"));

    // A batch that is refused forgets nothing; nor does one of somebody else.
    let [first, second, third] = of("r1");
    let heard = [second.clone(), first.clone()];
    let batch = [run_is("r2", RunState::Running, 9)];
    let refused = store.commit_heard(&owner("a"), &batch, &heard).await;
    assert!(
        matches!(refused, Err(StoreError::NotOwner { .. })),
        "{refused:?}"
    );
    store.commit_heard(&owner("b"), &[], &heard).await.unwrap();
    assert_eq!(store.commands(&owner("a")).await.unwrap(), of("r1"));

    let batch = [run_is("r1", RunState::Running, 9)];
    for _ in 0..2 {
        store
            .commit_heard(&owner("a"), &batch, &heard)
            .await
            .unwrap();
        assert_eq!(
            store.commands(&owner("a")).await.unwrap(),
            std::slice::from_ref(&third)
        );
    }
    assert_eq!(load(&store, "r1").await.state, RunState::Running);

    // What is left passes to the next owner.
    let taken = store.adopt(&owner("a"), &owner("c"), Some(&id("r1"))).await;
    assert_eq!(taken.unwrap().len(), 1);
    assert_eq!(store.commands(&owner("a")).await.unwrap(), []);
    assert_eq!(
        store.commands(&owner("c")).await.unwrap(),
        std::slice::from_ref(&third)
    );
    store
        .commit_heard(&owner("c"), &[], &[third])
        .await
        .unwrap();
    assert_eq!(store.commands(&owner("c")).await.unwrap(), []);
    let unknown = store.put_command(&id("r9"), &kinds[1], at(3)).await;
    assert_eq!(unknown, Err(StoreError::UnknownRun(id("r9"))));
}

pub async fn knows_what_others_have_begun(store: Store) {
    let mut runs: Vec<NewRun> = ["r1", "r2", "r3", "r4"].map(new_run).into();
    runs[2].owner = owner("b");
    runs[3].owner = owner("c");
    store.begin(&[], &runs).await.unwrap();
    let begun = async |own: &str, from: &str| -> Vec<String> {
        let rows = store.begun_elsewhere(&owner(own), &id(from)).await.unwrap();
        rows.iter().map(|row| row.id.to_string()).collect()
    };
    assert_eq!(begun("a", "r1").await, ["r3", "r4"]);
    assert_eq!(begun("b", "r2").await, ["r2", "r4"]);
    assert_eq!(begun("c", "r2").await, ["r2", "r3"]);
    assert!(begun("a", "r5").await.is_empty());
}
