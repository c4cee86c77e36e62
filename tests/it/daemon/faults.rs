//! A daemon whose store fails now and then, or does its work and reports failure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use runner::daemon::clock::now;
use runner::daemon::schedule::{DaemonLock, Scheduler, SchedulerParts, Until};
use runner::model::{RunState, TriggerKind};
use runner::secret::Environment;
use runner::store::{Faults, Faulty, MemoryStore, NewRun, RunFilter, RunStore};

use crate::support::project::{Scene, scene};

const TICKS: &str = r#"
dag: ticks
schedule: { cron: "* * * * * *", overlap: queue }
defaults: { retries: 1, retry: { delay: 1ms } }
tasks:
  start: { shell: 'echo "$RUNNER_RUN_ID $RUNNER_ATTEMPT" >> starts.txt' }
  again: { needs: start, shell: 'echo "$RUNNER_RUN_ID $RUNNER_ATTEMPT" >> again.txt; test "$RUNNER_ATTEMPT" = 2' }
"#;
const THEN: &str = "dag: then\nafter: ticks\noverlap: queue\ntasks: { a: {} }\n";

async fn daemon(scene: &Scene, store: &Arc<Faulty<MemoryStore>>, until: Until, backfill: u32) {
    let (host, _news) = scene.host(store.clone());
    // As another process hands them over.
    for number in 0..backfill {
        let mut run = scene.run("ticks");
        run.spec.trigger = TriggerKind::Backfill;
        run.spec.interval.end = run.spec.logical_time - TimeDelta::days(i64::from(number));
        run.spec.interval.start = run.spec.interval.end - TimeDelta::seconds(1);
        store
            .inner()
            .begin(std::slice::from_ref(&run.pipeline.version), &[])
            .await
            .unwrap();
        let new = NewRun {
            spec: run.spec,
            owner: host.owner().clone(),
        };
        store.inner().begin(&[], &[new]).await.unwrap();
    }
    let lock = DaemonLock::acquire(&scene.state(), host.owner()).unwrap();
    let places = scene.project.places.clone();
    let read = move || runner::spec::load(&places, None, Environment::of_process());
    let scheduler = Scheduler::new(SchedulerParts {
        host,
        lock,
        alarm: None,
        until,
        grace: Duration::from_secs(30),
        loaded: read(),
        read: Arc::new(read),
    });
    scheduler.run().await.unwrap();
}

async fn check(seed: u64, rate: u16) {
    let scene = scene(&[("pipelines/a.yaml", TICKS), ("pipelines/b.yaml", THEN)]);
    let faults = Faults {
        seed,
        refused: rate,
        unanswered: rate,
    };
    let store = Arc::new(Faulty::new(MemoryStore::new(), faults));
    let until = Until::Moment(now() + TimeDelta::seconds(3));
    daemon(&scene, &store, until, 3).await;
    // What the last ticks call for, and what was due meanwhile.
    daemon(&scene, &store, Until::Once, 0).await;
    let said = format!("{faults:?}");
    let rows = store.inner().runs(&RunFilter::default()).await.unwrap();
    let mut ticks: BTreeMap<i64, u32> = BTreeMap::new();
    let mut followed: BTreeMap<i64, u32> = BTreeMap::new();
    let mut own = BTreeSet::new();
    let mut backfilled = 0;
    for row in &rows {
        assert_eq!(row.state, RunState::Success, "{said}");
        let stored = store.inner().load(&row.id).await.unwrap().unwrap();
        if row.dag.as_str() == "then" {
            *followed.entry(row.interval.end.timestamp()).or_default() += 1;
            continue;
        }
        own.insert(row.id.to_string());
        if row.trigger == TriggerKind::Backfill {
            backfilled += 1;
            continue;
        }
        let second = stored.spec.logical_time.timestamp();
        *ticks.entry(second).or_default() += 1;
    }
    // None is lost and none doubled.
    let (first, last) = (
        ticks.keys().next().unwrap(),
        ticks.keys().next_back().unwrap(),
    );
    let every: BTreeMap<i64, u32> = (*first..=*last).map(|second| (second, 1)).collect();
    assert_eq!(ticks, every, "{said}");
    assert!(ticks.len() >= 2, "{said}: {ticks:?}");
    assert_eq!(backfilled, 3, "{said}");
    assert!(store.inner().skipped(None, 0).await.unwrap().is_empty());
    let memory = store.inner().schedules().await.unwrap();
    let memory = memory
        .iter()
        .find(|row| row.dag.as_str() == "ticks")
        .unwrap();
    assert_eq!(memory.memory.decided.unwrap().timestamp(), *last, "{said}");
    assert!(memory.memory.waiting.is_empty(), "{said}");
    // Each success has called for one run, and nothing is stuck.
    assert_eq!(followed.len(), ticks.len() + backfilled, "{said}");
    assert!(
        followed.values().all(|count| *count == 1),
        "{said}: {followed:?}"
    );
    assert!(store.inner().owners().await.unwrap().is_empty(), "{said}");
    let lines = |file: &str| -> Vec<String> {
        let text = std::fs::read_to_string(scene.folder.path().join(file)).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let attempts = |numbers: &[u32]| -> Vec<String> {
        let lines = own
            .iter()
            .flat_map(|run| numbers.iter().map(move |n| format!("{run} {n}")));
        lines.collect()
    };
    assert_eq!(lines("starts.txt"), attempts(&[1]), "{said}");
    assert_eq!(lines("again.txt"), attempts(&[1, 2]), "{said}");
}

#[tokio::test]
async fn nothing_is_lost_doubled_or_stuck_when_the_store_fails() {
    let checks = [5, 25]
        .into_iter()
        .flat_map(|rate| (0..3).map(move |seed| check(seed, rate)));
    futures_util::future::join_all(checks).await;
}
