//! What people ask for is heard once: by the process that has the run, or by the next one.

use std::sync::Arc;

use runner::daemon::clock::now;
use runner::daemon::{Host, ring};
use runner::model::{RunId, RunState, TaskIndex};
use runner::store::{CommandKind, MemoryStore, RunStore};

use crate::support::project::{Scene, crash_after, scene};

const YAML: &str = r"
dag: flow
tasks:
  a: { shell: 'echo x >> ran.txt' }
  b: { needs: a, shell: 'sleep 1000' }
";

const QUICK: &str = "dag: flow\ntasks:\n  a: { shell: 'echo x >> ran.txt' }\n";

/// Drives a host until something is so, then drops it as a crash would.
async fn crash_when(mut host: Host, is_so: impl Fn() -> bool) {
    let work = host.run_until_idle();
    tokio::pin!(work);
    std::future::poll_fn(|cx| {
        assert!(work.as_mut().poll(cx).is_pending(), "it ended");
        if is_so() {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

fn runs_of(scene: &Scene) -> usize {
    let ran = std::fs::read_to_string(scene.folder.path().join("ran.txt"));
    ran.unwrap_or_default().lines().count()
}

async fn state_of(store: &dyn RunStore, run: &RunId) -> RunState {
    store.find_runs(run.as_str(), 1).await.unwrap()[0].state
}

#[tokio::test]
async fn a_command_for_an_owner_that_died_is_heard_by_the_next_one() {
    let scene = scene(&[("pipelines/flow.yaml", YAML)]);
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let (mut host, _news) = scene.host(store.clone());
    let run = scene.run("flow");
    let id = run.spec.id.clone();
    let dead = host.owner().clone();
    host.accept(run).await.unwrap();
    crash_when(host, || runs_of(&scene) == 1).await;
    store
        .put_command(&id, &CommandKind::Cancel, now())
        .await
        .unwrap();
    assert!(!ring(&scene.state(), &dead).unwrap());

    let host = scene.go_on(store.clone(), &dead, None).await;
    assert_eq!(state_of(store.as_ref(), &id).await, RunState::Cancelled);
    assert!(store.commands(host.owner()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_command_for_a_run_that_has_just_ended_is_heard() {
    let scene = scene(&[("pipelines/flow.yaml", QUICK)]);
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let (mut host, id) = scene.carry_out("flow", store.clone()).await;
    assert_eq!(runs_of(&scene), 1);
    // The process still lives, and its bell is heard; the run is gone from its memory.
    let again = CommandKind::Retry {
        tasks: vec![TaskIndex(0)],
    };
    store.put_command(&id, &again, now()).await.unwrap();
    assert!(ring(&scene.state(), host.owner()).unwrap());
    host.run_until_idle().await.unwrap();
    assert_eq!(runs_of(&scene), 2);
    assert_eq!(state_of(store.as_ref(), &id).await, RunState::Success);
    assert!(store.commands(host.owner()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_command_is_carried_out_once_whoever_dies_when() {
    for polls in 0..12 {
        let scene = scene(&[("pipelines/flow.yaml", QUICK)]);
        let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
        let (host, id) = scene.carry_out("flow", store.clone()).await;
        let again = CommandKind::Retry {
            tasks: vec![TaskIndex(0)],
        };
        store.put_command(&id, &again, now()).await.unwrap();
        let dead = host.owner().clone();
        crash_after(host, polls).await;
        scene.go_on(store.clone(), &dead, Some(&id)).await;
        let rows = store.task_runs(&id).await.unwrap();
        assert_eq!(rows[0].generation, 1, "after {polls} polls");
        assert_eq!(
            state_of(store.as_ref(), &id).await,
            RunState::Success,
            "after {polls} polls"
        );
    }
}
