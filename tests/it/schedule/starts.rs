//! The daemon begins DAGs after others, live and after it was away.

use std::sync::Arc;

use runner::daemon::Host;
use runner::daemon::clock::now;
use runner::daemon::schedule::{DaemonLock, Request, Scheduler, SchedulerParts, Until, take_call};
use runner::model::{Json, RunState, TriggerKind};
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
    scheduler(scene, host, Until::Once).run().await.unwrap();
}

fn scheduler(scene: &Scene, host: Host, until: Until) -> Scheduler {
    let lock = DaemonLock::acquire(&scene.state(), host.owner()).unwrap();
    let places = scene.project.places.clone();
    let read = move || runner::spec::load(&places, None, Environment::of_process());
    Scheduler::new(SchedulerParts {
        host,
        lock,
        alarm: None,
        until,
        grace: std::time::Duration::ZERO,
        loaded: read(),
        read: Arc::new(read),
    })
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

const CALLED: &str = "
dag: called
trigger: { webhook: { secret: KEY }, params: { path: '{{ run.firing.body.path }}' } }
params: { path: { type: string } }
tasks: { go: { shell: { script: 'test $P = a.csv', env: { P: '{{ params.path }}' } } } }
";

/// Calls the webhook with a header and a body.
async fn call(
    scene: &Scene,
    store: &Arc<dyn RunStore>,
    header: (&str, &str),
    body: &str,
) -> Result<String, String> {
    let headers = [("idempotency-key", "1"), header];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let request = Request {
        headers: &headers,
        body: body.as_bytes(),
    };
    let pipeline = scene.pipeline("called");
    let called = take_call(store.as_ref(), &scene.project, &pipeline, request, now()).await;
    called.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_call_begins_one_run_with_its_params() {
    let scene = scene(&[
        ("pipelines/called.yaml", CALLED),
        (".env", "KEY=open sesame\n"),
    ]);
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let body = r#"{"path":"a.csv"}"#;
    let forbidden = "the call has no right secret or signature".to_owned();
    let refused = call(&scene, &store, ("authorization", "Bearer closed"), body).await;
    assert_eq!(refused, Err(forbidden));
    // Another process after the first is called again.
    for _ in 0..2 {
        for _ in 0..2 {
            let token = ("authorization", "Bearer open sesame");
            let taken = call(&scene, &store, token, body).await;
            assert_eq!(taken, Ok("1".to_owned()));
        }
        assert_eq!(store.calls().await.unwrap().len(), 1);
        let (host, _news) = scene.host(store.clone());
        scheduler(&scene, host, Until::Once).run().await.unwrap();
        assert_eq!(store.calls().await.unwrap(), []);
    }
    let rows = store.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].state, RunState::Success);
    let source = "call 1".to_owned();
    let detail = Json(r#"{"body":{"path":"a.csv"},"headers":{"idempotency-key":"1"}}"#.into());
    assert_eq!(rows[0].trigger, TriggerKind::Event { source, detail });
    assert_eq!(&*rows[0].params.0, r#"{"path":"a.csv"}"#);
}
