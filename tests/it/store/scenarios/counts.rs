//! Promises about what is counted, and about many DAGs at once.

use runner::model::{DagId, Outcome, RunState, TaskState, TriggerKind};
use runner::store::{BOUNDS, Counted, Stage, TaskTimes};

use super::super::values::{
    HASH, Stand, at, expanded, failure, id, item, new_run, owner, run_is, success, task,
};
use super::shared::{Store, create};

pub async fn knows_the_latest_runs_of_each_dag(store: Store) {
    let dag = |name: &str| DagId::new(name).unwrap();
    for number in 0..10_i64 {
        let name = format!("r{number}");
        let mut new = new_run(&name);
        if number % 2 == 0 {
            new.spec.dag = dag("hourly");
        }
        store.begin(&[], &[new]).await.unwrap();
        if number < 6 {
            let batch = [run_is(&name, RunState::Failed, number)];
            store.commit(&owner("a"), &batch).await.unwrap();
        }
    }
    let latest = async |dags: &[&str], most, ended| -> Vec<String> {
        let dags: Vec<DagId> = dags.iter().map(|name| dag(name)).collect();
        let rows = store.latest_runs(&dags, most, ended).await.unwrap();
        rows.iter().map(|row| row.id.to_string()).collect()
    };
    assert!(latest(&[], 9, false).await.is_empty());
    assert!(latest(&["nothing"], 9, false).await.is_empty());
    assert_eq!(latest(&["hourly"], 2, false).await, ["r8", "r6"]);
    let both = ["daily", "nothing", "hourly"];
    assert_eq!(latest(&both, 1, false).await, ["r9", "r8"]);
    assert_eq!(latest(&both, 2, true).await, ["r5", "r4", "r3", "r2"]);
}

pub async fn knows_how_long_tasks_took(store: Store) {
    let dag = |name: &str| DagId::new(name).unwrap();
    // The third fails, the fifth goes on, and every second is of another DAG.
    for number in 0..6_u32 {
        let name = format!("r{number}");
        let mut new = new_run(&name);
        if number % 2 == 0 {
            new.spec.dag = dag("hourly");
        }
        store.begin(&[], &[new]).await.unwrap();
        let took = i64::from(number) + 1;
        let done = |id, from| {
            Stand::finished(id, Outcome::Success, 1, from + took).ending(
                &name,
                from,
                from + took,
                success("{}"),
            )
        };
        let again = TaskState::RetryWait { until: at(9) };
        let again = Stand::new(task(0), again).attempts(1);
        let batch = [
            run_is(&name, RunState::Running, 1),
            // A try that failed isn't how long it takes.
            again.ending(&name, 1, 8, failure()),
            Stand::finished(task(0), Outcome::Success, 2, 10 + took).ending(
                &name,
                10,
                10 + took,
                success("{}"),
            ),
            expanded(&name, 1, 0, &["1", "2"]),
            done(item(1, 1), 20),
            done(item(1, 0), 30),
        ];
        store.commit(&owner("a"), &batch).await.unwrap();
        let state = match number {
            2 => RunState::Failed,
            4 => continue,
            _ => RunState::Success,
        };
        let end = [run_is(&name, state, 60)];
        store.commit(&owner("a"), &end).await.unwrap();
    }
    // A clock that went back, and a run in which nothing was done.
    store
        .begin(&[], &[new_run("r7"), new_run("r8")])
        .await
        .unwrap();
    let back = Stand::finished(task(0), Outcome::Success, 1, 50);
    let batch = [
        back.ending("r7", 60, 50, success("{}")),
        run_is("r7", RunState::Success, 50),
        run_is("r8", RunState::Success, 50),
    ];
    store.commit(&owner("a"), &batch).await.unwrap();
    let times = async |dags: &[&str], most| -> Vec<String> {
        let dags: Vec<DagId> = dags.iter().map(|name| dag(name)).collect();
        let runs = store.task_times(&dags, most).await.unwrap();
        let run = |run: &TaskTimes| {
            assert_eq!(run.version, HASH);
            let attempts = run.attempts.iter();
            let text = attempts.map(|(task, took)| format!(" {}:{}", task.0, took.as_secs()));
            format!("{}{}", run.dag, text.collect::<String>())
        };
        runs.iter().map(run).collect()
    };
    assert!(times(&[], 9).await.is_empty());
    assert!(times(&["nothing"], 9).await.is_empty());
    assert!(times(&["daily"], 0).await.is_empty());
    assert_eq!(times(&["hourly"], 9).await, ["hourly 0:1 1:1 1:1"]);
    assert_eq!(
        times(&["hourly", "daily"], 4).await,
        [
            "daily",
            "daily 0:0",
            "daily 0:6 1:6 1:6",
            "daily 0:4 1:4 1:4",
            "hourly 0:1 1:1 1:1"
        ]
    );
}

pub async fn counts_what_happens(store: Store) {
    let mut scheduled = new_run("r1");
    scheduled.spec.trigger = TriggerKind::Schedule;
    store.begin(&[], &[scheduled, new_run("r2")]).await.unwrap();
    let counts = async || -> Vec<(Counted, String, Option<u64>, u64, u64)> {
        let all = store.tallies().await.unwrap();
        assert!(all.is_sorted());
        assert!(all.iter().all(|tally| tally.dag.as_str() == "daily"));
        let parts = all.into_iter();
        parts
            .map(|one| {
                (
                    one.what,
                    one.word,
                    one.bound,
                    one.count,
                    one.micros / 1_000_000,
                )
            })
            .collect()
    };
    assert_eq!(counts().await, []);
    // Accepted at 1; the first was due at 0.
    let begin = [
        run_is("r1", RunState::Running, 3),
        run_is("r2", RunState::Running, 2),
        Stand::running(task(0), 1, 3).of("r1"),
    ];
    store.commit(&owner("a"), &begin).await.unwrap();
    let begun = [
        (Counted::Late, String::new(), Some(5_000_000), 1, 3),
        (Counted::Queued, String::new(), Some(1_000_000), 1, 1),
        (Counted::Queued, String::new(), Some(5_000_000), 1, 2),
    ];
    assert_eq!(counts().await, begun);
    let again = Stand::new(task(0), TaskState::RetryWait { until: at(99) }).attempts(1);
    let done = Stand::finished(task(0), Outcome::Success, 2, 200_000);
    let end = [
        again.ending("r1", 3, 3, failure()),
        done.ending("r1", 4, 200_000, success("{}")),
        run_is("r1", RunState::Success, 200_000),
        run_is("r2", RunState::Failed, 62),
    ];
    // A batch that is repeated is counted once.
    for _ in 0..2 {
        store.commit(&owner("a"), &end).await.unwrap();
    }
    let ended = [
        (Counted::Attempt, "failed".to_owned(), Some(10_000), 1, 0),
        (Counted::Attempt, "success".to_owned(), None, 1, 199_996),
        begun[0].clone(),
        begun[1].clone(),
        begun[2].clone(),
        (Counted::Run, "failed".to_owned(), Some(60_000_000), 1, 60),
        (Counted::Run, "success".to_owned(), None, 1, 199_997),
    ];
    assert_eq!(counts().await, ended);
    // What was counted outlives the runs.
    store.remove_runs(&[id("r1"), id("r2")]).await.unwrap();
    assert_eq!(counts().await, ended);
}

pub async fn knows_the_bounds_of_what_it_counts(store: Store) {
    // A run each that lasts exactly as long as a bound, and one a microsecond longer.
    let (mut batch, mut expected) = (Vec::new(), Vec::new());
    for (place, bound) in BOUNDS.into_iter().enumerate() {
        for (kind, more) in [("a", 0), ("b", 1)] {
            let name = format!("r{kind}{place}");
            create(&store, &[&name]).await;
            let micros = i64::try_from(bound + more).unwrap();
            let until = at(1) + chrono::TimeDelta::microseconds(micros);
            batch.push(run_is(&name, RunState::Running, 1));
            batch.push(runner::model::Transition::Run {
                run: id(&name),
                state: RunState::Success,
                at: until,
            });
            expected.push(if more == 0 {
                Some(bound)
            } else {
                BOUNDS.get(place + 1).copied()
            });
        }
    }
    store.commit(&owner("a"), &batch).await.unwrap();
    let all = store.tallies().await.unwrap().into_iter();
    let mut found: Vec<Option<u64>> = all
        .filter(|tally| tally.what == Counted::Run)
        .flat_map(|tally| (0..tally.count).map(move |_| tally.bound))
        .collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

pub async fn knows_what_is_at_work(store: Store) {
    create(&store, &["r1", "r2", "r3"]).await;
    let batch = [
        run_is("r1", RunState::Running, 1),
        Stand::running(task(0), 1, 3).of("r1"),
        expanded("r1", 1, 0, &["1", "2", "3"]),
        Stand::running(item(1, 2), 1, 3).of("r1"),
        Stand::running(task(0), 1, 3).of("r2"),
        Stand::new(task(2), TaskState::RetryWait { until: at(9) }).of("r2"),
        Stand::running(task(0), 1, 3).of("r3"),
        run_is("r3", RunState::Success, 4),
    ];
    store.commit(&owner("a"), &batch).await.unwrap();
    let rows = store.at_work().await.unwrap();
    assert!(rows.iter().all(|row| row.version == HASH));
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row.task.0, row.stage, row.count))
        .collect();
    assert_eq!(
        found,
        [
            (0, Stage::Running, 2),
            (1, Stage::Ready, 2),
            (1, Stage::Running, 1),
            (2, Stage::RetryWait, 1),
        ]
    );
}
