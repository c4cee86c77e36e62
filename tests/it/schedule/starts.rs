//! The daemon begins DAGs after others, live and after it was away.

use std::sync::Arc;

use runner::daemon::schedule::{DaemonLock, Scheduler, SchedulerParts, Until};
use runner::model::{RunState, TriggerKind};
use runner::secret::Environment;
use runner::store::{MemoryStore, RunFilter, RunStore};

use crate::support::project::{Scene, scene};

const INGEST: &str = "
dag: ingest
tasks:
  fetch: { shell: 'true', writes: prices }
  rest: { needs: fetch, shell: 'true' }
";
const BY_DAG: &str = "
dag: by_dag
after: ingest
tasks: { go: { shell: 'true' } }
";
const BY_DATASET: &str = "
dag: by_dataset
after: prices
tasks: { go: { shell: 'true' } }
";

/// A daemon that ends when nothing is left to do; it begins with a run of these DAGs.
async fn daemon(scene: &Scene, store: &Arc<dyn RunStore>, begins: &[&str]) {
    let (mut host, _news) = scene.host(store.clone());
    for dag in begins {
        host.accept(scene.run(dag)).await.unwrap();
    }
    let lock = DaemonLock::acquire(&scene.state(), host.owner()).unwrap();
    let places = scene.project.places.clone();
    let read = move || runner::spec::load(&places, None, Environment::of_process());
    let scheduler = Scheduler::new(SchedulerParts {
        host,
        lock,
        alarm: None,
        until: Until::Once,
        grace: std::time::Duration::ZERO,
        loaded: read(),
        read: Arc::new(read),
    });
    scheduler.run().await.unwrap();
}

/// A run by hand, carried out by another process than the daemon.
async fn by_hand(scene: &Scene, store: &Arc<dyn RunStore>, only: Option<&str>) {
    let (mut host, _news) = scene.host(store.clone());
    let mut run = scene.run("ingest");
    run.spec.only = only.map(|task| vec![task.to_owned()]);
    host.accept(run).await.unwrap();
    host.run_until_idle().await.unwrap();
}

/// The DAGs that ran, and what made them run, oldest first.
async fn ran(store: &Arc<dyn RunStore>) -> Vec<String> {
    let rows = store.runs(&RunFilter::default()).await.unwrap();
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            assert_eq!(row.state, RunState::Success);
            match &row.trigger {
                TriggerKind::After { what } => format!("{} after {what}", row.dag),
                other => format!("{} {}", row.dag, runner::daemon::trigger_word(other)),
            }
        })
        .collect();
    lines.sort();
    lines
}

fn project() -> (Scene, Arc<dyn RunStore>) {
    let scene = scene(&[
        ("pipelines/a.yaml", INGEST),
        ("pipelines/b.yaml", BY_DAG),
        ("pipelines/c.yaml", BY_DATASET),
    ]);
    (scene, Arc::new(MemoryStore::new()))
}

#[tokio::test]
async fn a_run_begins_others_that_come_after_it() {
    let (scene, store) = project();
    daemon(&scene, &store, &["ingest"]).await;
    assert_eq!(
        ran(&store).await,
        [
            "by_dag after ingest",
            "by_dataset after prices",
            "ingest manual"
        ]
    );
}

#[tokio::test]
async fn what_ran_while_no_daemon_was_there_begins_others_once() {
    let (scene, store) = project();
    // A DAG that is new comes after nothing of the past.
    by_hand(&scene, &store, None).await;
    daemon(&scene, &store, &[]).await;
    assert_eq!(ran(&store).await, ["ingest manual"]);
    by_hand(&scene, &store, None).await;
    daemon(&scene, &store, &[]).await;
    daemon(&scene, &store, &[]).await;
    assert_eq!(
        ran(&store).await,
        [
            "by_dag after ingest",
            "by_dataset after prices",
            "ingest manual",
            "ingest manual"
        ]
    );
}

#[tokio::test]
async fn a_part_of_a_dag_makes_its_datasets_newer_and_no_more() {
    let (scene, store) = project();
    daemon(&scene, &store, &[]).await;
    by_hand(&scene, &store, Some("fetch")).await;
    daemon(&scene, &store, &[]).await;
    assert_eq!(
        ran(&store).await,
        ["by_dataset after prices", "ingest manual"]
    );
}
