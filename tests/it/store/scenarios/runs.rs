//! Promises about runs, their owners and commands.

use std::sync::Arc;

use futures_util::future::join_all;
use runner::model::{DagId, Outcome, RunState, TaskIndex, TriggerKind};
use runner::store::{
    Command, CommandKind, DagVersion, NewRun, Owner, RunFilter, StoreError, StoredRun,
};

use super::super::values::{
    HASH, Stand, at, cause, expanded, id, json, new_run, owner, run_is, spec, task, version,
};

use super::shared::{Store, create, load, only_run};

type Wanted = fn(usize) -> bool;

pub async fn keeps_versions(store: Store) {
    assert_eq!(store.version(HASH).await.unwrap(), Some(version()));
    let other = DagVersion {
        tasks: Vec::new(),
        ..version()
    };
    store
        .begin(std::slice::from_ref(&other), &[])
        .await
        .unwrap();
    assert_eq!(store.version(HASH).await.unwrap(), Some(version()));
    assert_eq!(store.version("no such hash").await.unwrap(), None);
}

pub async fn removes_a_version_with_the_last_of_its_runs(store: Store) {
    create(&store, &["r1", "r2"]).await;
    let ends = ["r1", "r2"].map(|run| run_is(run, RunState::Success, 5));
    store.commit(&owner("a"), &ends).await.unwrap();
    let removed = store.remove_runs(&[id("r1")]).await.unwrap();
    assert_eq!(removed, [id("r1")]);
    assert_eq!(store.version(HASH).await.unwrap(), Some(version()));
    store.remove_runs(&[id("r2")]).await.unwrap();
    assert_eq!(store.version(HASH).await.unwrap(), None);
    store.begin(&[version()], &[new_run("r3")]).await.unwrap();
    assert_eq!(store.version(HASH).await.unwrap(), Some(version()));
}

pub async fn begins_runs_while_others_are_removed(store: Store) {
    create(&store, &["r0"]).await;
    let end = [run_is("r0", RunState::Success, 5)];
    store.commit(&owner("a"), &end).await.unwrap();
    for number in 1..40 {
        let (old, new) = (format!("r{}", number - 1), format!("r{number}"));
        let (versions, runs) = ([version()], [new_run(&new)]);
        let ended = [run_is(&new, RunState::Success, 5)];
        let gone = [id(&old)];
        let (begun, removed) =
            tokio::join!(store.begin(&versions, &runs), store.remove_runs(&gone));
        begun.unwrap();
        assert_eq!(removed.unwrap(), gone);
        store.commit(&owner("a"), &ended).await.unwrap();
        assert_eq!(load(&store, &new).await.spec.version, HASH);
        assert_eq!(store.version(HASH).await.unwrap(), Some(version()));
    }
}

pub async fn keeps_what_a_run_was_accepted_with(store: Store) {
    let triggers = [
        TriggerKind::Manual,
        TriggerKind::Schedule,
        TriggerKind::Backfill,
        TriggerKind::After {
            what: "a, b".to_owned(),
        },
        TriggerKind::Dag { run: id("r0") },
        TriggerKind::Event {
            source: "file `a`".to_owned(),
            detail: json(r#"{"path":"a"}"#),
        },
    ];
    for (number, trigger) in triggers.into_iter().enumerate() {
        let mut new = new_run(&format!("r{number}"));
        new.spec.trigger = trigger;
        new.spec.only = (number > 2).then(|| vec!["fetch".to_owned(), "load".to_owned()]);
        store.begin(&[], std::slice::from_ref(&new)).await.unwrap();
        let stored = load(&store, new.spec.id.as_str()).await;
        let fresh = StoredRun {
            spec: new.spec,
            state: RunState::Queued,
            owner: owner("a"),
            tasks: Vec::new(),
            items: [].into(),
        };
        assert_eq!(stored, fresh);
        let specs = store.specs(&[id("r9"), stored.spec.id.clone()]).await;
        assert_eq!(specs.unwrap(), [stored.spec]);
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
        let refused = store.begin(&[], &[other]).await;
        assert_eq!(refused, Err(StoreError::Exists(id("r1"))));
    }
}

pub async fn accepts_runs_all_or_none(store: Store) {
    create(&store, &["r1"]).await;
    let mut other = new_run("r1");
    other.spec.priority = 5;
    let refused = store.begin(&[], &[new_run("r2"), other]).await;
    assert_eq!(refused, Err(StoreError::Exists(id("r1"))));

    let mut unknown = new_run("r4");
    unknown.spec.version = "0".repeat(64);
    let refused = store.begin(&[], &[new_run("r3"), unknown.clone()]).await;
    let hash = unknown.spec.version;
    assert_eq!(refused, Err(StoreError::UnknownVersion(hash)));

    assert_eq!(only_run(&store).await.id, id("r1"));
    store.begin(&[], &[]).await.unwrap();
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

pub async fn lists_runs_page_by_page(store: Store) {
    let states = [RunState::Running, RunState::Failed, RunState::Success];
    for number in 0..30 {
        let name = format!("r{number:02}");
        let mut new = new_run(&name);
        if number % 2 == 0 {
            new.spec.dag = DagId::new("hourly").unwrap();
        }
        store.begin(&[], &[new]).await.unwrap();
        let batch = [run_is(&name, states[number % 3], 1)];
        store.commit(&owner("a"), &batch).await.unwrap();
    }
    let hourly = || Some(DagId::new("hourly").unwrap());
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
                limit,
                ..RunFilter::default()
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
    create(&store, &["ab12", "ab13", "xb12", "z-_z", "z-_z-2"]).await;
    let cases: [(&str, u32, &[&str]); 8] = [
        ("12", 9, &["xb12", "ab12"]),
        ("ab", 9, &["ab13", "ab12"]),
        ("b1", 2, &["xb12", "ab13"]),
        ("z-_z", 9, &["z-_z"]),
        // A whole id is no part of another one.
        ("z-_z", 1, &["z-_z"]),
        ("_", 9, &["z-_z-2", "z-_z"]),
        ("%", 9, &[]),
        ("", 1, &["z-_z-2"]),
    ];
    for (part, limit, expected) in cases {
        let found = store.find_runs(part, limit).await.unwrap();
        let found: Vec<_> = found.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(found, expected, "{part}");
    }
}

/// What the id begins with, the states, the page before, and the ids that are found.
type Case = (
    &'static str,
    &'static [RunState],
    Option<&'static str>,
    &'static [&'static str],
);

pub async fn lists_runs_by_the_beginning_of_the_id(store: Store) {
    let ids = ["ab12", "ab13", "ab1z", "ac", "xb12", "z-_z", "z-_z-2"];
    create(&store, &ids).await;
    let batch = [run_is("ab13", RunState::Failed, 5)];
    store.commit(&owner("a"), &batch).await.unwrap();
    let cases: [Case; 9] = [
        ("ab1", &[], None, &["ab1z", "ab13", "ab12"]),
        ("ab12", &[], None, &["ab12"]),
        ("ab1", &[], Some("ab1z"), &["ab13", "ab12"]),
        ("ab1", &[], Some("xb12"), &["ab1z", "ab13", "ab12"]),
        ("ab1", &[RunState::Failed], None, &["ab13"]),
        ("z-_z", &[], None, &["z-_z-2", "z-_z"]),
        ("12", &[], None, &[]),
        ("_", &[], None, &[]),
        ("%", &[], None, &[]),
    ];
    for (prefix, states, before, expected) in cases {
        for dag in [None, Some(DagId::new("daily").unwrap())] {
            let filter = RunFilter {
                dag,
                states: states.to_vec(),
                prefix: prefix.to_owned(),
                before: before.map(id),
                limit: 0,
            };
            let found = store.runs(&filter).await.unwrap();
            let found: Vec<_> = found.iter().map(|row| row.id.as_str()).collect();
            assert_eq!(found, expected, "{filter:?}");
        }
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

pub async fn knows_what_ended_since_and_last(store: Store) {
    let dag = |name: &str| DagId::new(name).unwrap();
    let scheduled = |number: i64| TriggerKind::Event {
        source: format!("file {number}"),
        detail: json("{}"),
    };
    // Ten of each, every third still going on; the last to be created ends first.
    for number in 0..20_i64 {
        let name = format!("r{number:02}");
        let mut new = new_run(&name);
        if number % 2 == 0 {
            new.spec.dag = dag("hourly");
        }
        if number < 12 {
            new.spec.trigger = scheduled(number);
        }
        store.begin(&[], &[new]).await.unwrap();
        let state = match number % 3 {
            0 => RunState::Running,
            1 => RunState::Failed,
            _ => RunState::Success,
        };
        let batch = [run_is(&name, state, 100 - number)];
        store.commit(&owner("a"), &batch).await.unwrap();
    }
    let ends = [dag("daily"), dag("nothing"), dag("hourly")];
    let mut ends = store.last_ends(&ends).await.unwrap();
    ends.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        (dag("daily"), RunState::Success),
        (dag("hourly"), RunState::Failed),
    ];
    // The eleventh and the tenth.
    assert_eq!(ends, expected);
    let ended = async |dags: &[(&str, i64)], most| -> Vec<String> {
        let dags: Vec<_> = dags
            .iter()
            .map(|(name, at_)| (dag(name), at(*at_)))
            .collect();
        let rows = store.ended_since(&dags, most).await.unwrap();
        rows.iter().map(|row| row.id.to_string()).collect()
    };
    assert!(ended(&[], 9).await.is_empty());
    assert!(ended(&[("nothing", 0)], 9).await.is_empty());
    // At the moment itself isn't since.
    assert_eq!(ended(&[("daily", 95)], 9).await, ["r01"]);
    assert_eq!(
        ended(&[("daily", 94), ("hourly", 97)], 9).await,
        ["r05", "r02", "r01"]
    );
    assert_eq!(
        ended(&[("daily", 0), ("hourly", 0)], 1).await,
        ["r02", "r01"]
    );
    assert_eq!(
        ended(&[("hourly", 0)], 4).await,
        ["r10", "r08", "r04", "r02"]
    );
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
