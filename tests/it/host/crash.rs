//! A host that is dropped in the middle of its work, and another that goes on.

use std::sync::Arc;

use runner::daemon::is_alive;
use runner::model::RunState;
use runner::store::{RunStore, SqliteStore};

use super::flow::outcomes;
use crate::support::project::{crash_after, scene};

const YAML: &str = r#"
dag: flow
tasks:
  a: { shell: 'echo n=5 >> "$RUNNER_OUTPUTS"' }
  b: { needs: a, foreach: [0, 1, 2, 3], shell: { script: 'test "$N" = 5; echo x >> ran.txt', env: { N: "{{ tasks.a.outputs.n }}" } } }
  c: { needs: b, shell: 'test "$(sort -u ran.txt)" = x' }
  d: { needs: c, if: "tasks.a.outputs.n == '5'" }
"#;

/// Crashes a host after so many polls, and lets another one go on.
async fn check(polls: usize) {
    let scene = scene(&[("pipelines/flow.yaml", YAML)]);
    let open = || async {
        let store = SqliteStore::open(&scene.state().join("state.db")).await;
        Arc::new(store.unwrap()) as Arc<dyn RunStore>
    };
    let store = open().await;
    let (mut host, _news) = scene.host(store.clone());
    let run = scene.run("flow");
    let id = run.spec.id.clone();
    let dead = host.owner().clone();
    host.accept(run).await.unwrap();
    crash_after(host, polls).await;
    drop(store);
    assert!(!is_alive(&scene.state(), &dead));

    let store = open().await;
    scene.go_on(store.clone(), &dead, None).await;
    let found = outcomes(store.as_ref(), &id, &scene.pipeline("flow")).await;
    assert_eq!(found.len(), 8, "after {polls} polls: {found:?}");
    assert!(
        found.values().all(|word| word == "success"),
        "after {polls} polls: {found:?}"
    );
    let row = &store.find_runs(id.as_str(), 1).await.unwrap()[0];
    assert_eq!(row.state, RunState::Success, "after {polls} polls");
}

#[tokio::test]
async fn another_host_goes_on_from_any_point() {
    for polls in 0..40 {
        check(polls).await;
    }
}

#[test]
fn a_run_is_pinned_to_the_projects_defaults_too() {
    let files = [
        ("runner.yaml", "defaults: { retries: 7 }\n"),
        ("pipelines/flow.yaml", "dag: flow\ntasks: { a: {} }\n"),
    ];
    let scene = scene(&files);
    let version = scene.pipeline("flow").version.clone();
    std::fs::write(scene.folder.path().join("runner.yaml"), "").unwrap();
    std::fs::write(
        scene.folder.path().join("pipelines/flow.yaml"),
        "dag: flow\ntasks: { b: {} }\n",
    )
    .unwrap();
    let edited = crate::support::project::load(scene.folder.path());
    let pinned = edited.pinned(&version).unwrap();
    assert_eq!(pinned.dag.tasks[0].id.as_str(), "a");
    assert_eq!(pinned.dag.tasks[0].retry.retries, 7);
}
