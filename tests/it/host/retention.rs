//! What is past is removed, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use runner::daemon::retention::{Amount, Sweep, Swept};
use runner::model::{DagId, RunId, RunState, Timestamp, Transition};
use runner::store::{MemoryStore, NewRun, Notice, Owner, RunFilter, RunStore, SqliteStore};

use crate::support::project::{Scene, scene};

const A: &str = "dag: a\ntasks: { t: { shell: \"true\" } }\n";

fn day(day: i64) -> Timestamp {
    DateTime::from_timestamp(1_780_000_000, 0).unwrap() + TimeDelta::days(day)
}

fn owner() -> Owner {
    Owner("1-a".to_owned())
}

/// A run of each day that ended so, each with a log of 100 bytes and a dataset of 1000.
struct Past {
    scene: Scene,
    store: Arc<dyn RunStore>,
    ids: Vec<(String, RunId)>,
}

impl Past {
    async fn new(store: Arc<dyn RunStore>, files: &[(&str, &str)], runs: &[(&str, &str)]) -> Self {
        let scene = scene(files);
        let mut past = Self {
            scene,
            store,
            ids: Vec::new(),
        };
        for (number, (dag, state)) in (0..).zip(runs) {
            past.add(dag, state, number).await;
        }
        past
    }

    async fn add(&mut self, dag: &str, state: &str, number: i64) {
        let new = self.scene.run(dag);
        let mut spec = new.spec;
        spec.id = RunId::generate(day(number), 0);
        spec.created = day(number);
        spec.dag = DagId::new(dag).unwrap();
        self.store
            .begin(std::slice::from_ref(&new.pipeline.version), &[])
            .await
            .unwrap();
        let id = spec.id.clone();
        let accepted = [NewRun {
            spec,
            owner: owner(),
        }];
        self.store.begin(&[], &accepted).await.unwrap();
        let state = match state {
            "success" => RunState::Success,
            "failed" => RunState::Failed,
            _ => RunState::Running,
        };
        let at = day(number);
        let run = id.clone();
        let end = [Transition::Run { run, state, at }];
        self.store.commit(&owner(), &end).await.unwrap();
        for (folder, bytes) in [("logs", 100), ("data", 1000)] {
            let folder = self.scene.state().join(folder).join(id.as_str());
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("t.0.1.log"), vec![b'x'; bytes]).unwrap();
        }
        self.ids.push((format!("{dag}{number}"), id));
    }

    async fn sweep(&self, dry: bool) -> Swept {
        let sweep = Sweep {
            project: self.scene.project.clone(),
            store: self.store.clone(),
            now: day(10),
            dry,
            quiet: None,
        };
        let swept = sweep.run().await.unwrap();
        assert_eq!(swept.troubles, [""; 0]);
        swept
    }

    /// The days whose rows, logs and datasets are there.
    async fn left(&self) -> [Vec<&str>; 3] {
        let rows = self.store.runs(&RunFilter::default()).await.unwrap();
        let rows: BTreeSet<RunId> = rows.into_iter().map(|row| row.id).collect();
        let names = |there: &dyn Fn(&RunId) -> bool| {
            let names = self.ids.iter().filter(|(_, id)| there(id));
            names.map(|(name, _)| name.as_str()).collect()
        };
        let state = self.scene.state();
        [
            names(&|id| rows.contains(id)),
            names(&|id| state.join("logs").join(id.as_str()).exists()),
            names(&|id| state.join("data").join(id.as_str()).exists()),
        ]
    }
}

/// What is left of ten runs, of which the third is the only one that succeeded and the last goes on.
async fn check(retention: &str, rows: &str, logs: &str, data: &str) {
    let mut runs = [("a", "failed"); 10];
    runs[2] = ("a", "success");
    runs[9] = ("a", "running");
    let settings = format!("retention: {retention}\n");
    let files = [("runner.yaml", &*settings), ("pipelines/a.yaml", A)];
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(&folder.path().join("state.db"))
        .await
        .unwrap();
    let stores: [Arc<dyn RunStore>; 2] = [Arc::new(MemoryStore::new()), Arc::new(file)];
    for store in stores {
        let past = Past::new(store, &files, &runs).await;
        let before = past.left().await;
        let would = past.sweep(true).await;
        assert_eq!(past.left().await, before, "a dry look changes nothing");
        let swept = past.sweep(false).await;
        assert_eq!(swept, would, "{retention}");
        let left = past
            .left()
            .await
            .map(|names| names.concat().replace('a', ""));
        assert_eq!(left, [rows, logs, data], "{retention}");
        let again = past.sweep(false).await;
        assert_eq!(again, Swept::default(), "{retention}");
    }
}

#[tokio::test]
async fn what_is_kept_follows_from_age_count_and_size() {
    let all = "0123456789";
    check("{}", all, all, all).await;
    // At the tenth day; the third is the last that succeeded, the tenth has not ended.
    check("4d", "26789", "26789", "26789").await;
    check("{ runs: { count: 3 } }", "2789", "2789", "2789").await;
    check("{ runs: { age: 4d, count: 2 } }", "289", "289", "289").await;
    check("{ logs: 4d }", all, "26789", all).await;
    check("{ logs: { count: 3 }, data: 7d }", all, "2789", "23456789").await;
    check("{ logs: { size: 450B } }", all, "2789", all).await;
    check("{ data: { size: 0B } }", all, all, "29").await;
    check(
        "{ runs: 8d, data: { size: 4000B } }",
        "23456789",
        "23456789",
        "2789",
    )
    .await;
}

#[tokio::test]
async fn a_dag_has_its_own_measure() {
    let own = "dag: b\nretention: { runs: { count: 1 }, logs: { size: 100B } }\ntasks: { t: { shell: \"true\" } }\n";
    let files = [
        (
            "runner.yaml",
            "retention: { runs: { count: 3 }, logs: { size: 550B } }\n",
        ),
        ("pipelines/a.yaml", A),
        ("pipelines/b.yaml", own),
    ];
    let runs = ["a", "b", "a", "b", "a", "b", "a", "b", "a"].map(|dag| (dag, "failed"));
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let mut past = Past::new(store, &files, &runs).await;
    // Logs of the first five would be 500 bytes, of the sixth 600.
    past.sweep(false).await;
    assert_eq!(past.left().await[0], ["a4", "a6", "b7", "a8"]);
    past.add("b", "success", 9).await;
    past.sweep(false).await;
    assert_eq!(past.left().await[0], ["a4", "a6", "a8", "b9"]);
}

#[tokio::test]
async fn what_somebody_still_needs_stays() {
    let files = [
        ("runner.yaml", "retention: { runs: 1d }\n"),
        ("pipelines/a.yaml", A),
    ];
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let past = Past::new(store, &files, &[("a", "failed"); 3]).await;
    let (_, told) = &past.ids[1];
    let notice = Notice {
        run: told.clone(),
        dag: DagId::new("a").unwrap(),
        occasion: runner::model::Occasion::Failure,
        at: day(1),
        owner: owner(),
        tries: 0,
        detail: runner::model::Json::null(),
    };
    let store = &past.store;
    store
        .commit_all(&owner(), &[], &[], std::slice::from_ref(&notice))
        .await
        .unwrap();
    let (_, asked) = &past.ids[2];
    let retry = runner::store::CommandKind::Retry { tasks: Vec::new() };
    store.put_command(asked, &retry, day(3)).await.unwrap();
    past.sweep(false).await;
    assert_eq!(past.left().await[0], ["a1", "a2"]);
    store.settle_notice(&notice).await.unwrap();
    past.sweep(false).await;
    assert_eq!(past.left().await[0], ["a2"]);
}

#[tokio::test]
async fn what_was_half_removed_is_removed_the_next_time() {
    let files = [("runner.yaml", ""), ("pipelines/a.yaml", A)];
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let past = Past::new(store, &files, &[("a", "failed"), ("a", "failed")]).await;
    let (_, first) = &past.ids[0];
    // As after a kill between the rows and the folders.
    past.store
        .remove_runs(std::slice::from_ref(first))
        .await
        .unwrap();
    let swept = past.sweep(false).await;
    let left_over = Amount {
        count: 2,
        bytes: 1100,
    };
    assert_eq!(swept.left_over, left_over);
    assert_eq!(past.left().await, [["a1"], ["a1"], ["a1"]]);
    assert_eq!(past.store.removed_runs(9).await.unwrap(), []);
}
