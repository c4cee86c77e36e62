//! Promises about runs: what is kept of them, listed and found.

use runner::model::{DagId, RunState, TaskIndex, TriggerKind};
use runner::store::{DagVersion, RunFilter, StoreError, StoredRun};

use super::super::values::{HASH, at, id, json, new_run, owner, run_is, spec, version};
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

/// A beginning, the states and the run before which it is looked for; what is found.
type Search = (
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
    let cases: [Search; 9] = [
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
