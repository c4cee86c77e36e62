//! A store whose calls fail now and then, or do their work and report failure.

use std::sync::Arc;

use runner::model::RunState;
use runner::store::{Faults, Faulty, MemoryStore, RunStore};

use super::flow::outcomes;
use crate::support::project::scene;

const YAML: &str = r#"
dag: flow
defaults: { retries: 1, retry: { delay: 1ms } }
tasks:
  start: { shell: 'echo "$RUNNER_ATTEMPT" >> starts.txt; echo n=1 >> "$RUNNER_OUTPUTS"' }
  items: { needs: start, foreach: "{{ range(20) | list }}", shell: { script: 'test "$N" = 1', env: { N: "{{ tasks.start.outputs.n }}" } } }
  second: { needs: items, shell: 'test "$RUNNER_ATTEMPT" = 2' }
  end: { needs: second }
"#;

async fn check(faults: Faults) {
    let scene = scene(&[("pipelines/flow.yaml", YAML)]);
    let store = Arc::new(Faulty::new(MemoryStore::new(), faults));
    let (_, id) = scene.carry_out("flow", store.clone()).await;
    let found = outcomes(store.inner(), &id, &scene.pipeline("flow")).await;
    assert_eq!(found.len(), 24, "{faults:?}");
    assert!(
        found.values().all(|word| word == "success"),
        "{faults:?}: {found:?}"
    );
    let row = &store.inner().find_runs(id.as_str(), 1).await.unwrap()[0];
    assert_eq!(row.state, RunState::Success);
    let starts = std::fs::read_to_string(scene.folder.path().join("starts.txt")).unwrap();
    assert_eq!(starts, "1\n", "an attempt was started twice: {faults:?}");
}

#[tokio::test]
async fn runs_end_as_if_nothing_had_happened() {
    let rates = [(10, 10), (50, 50), (200, 0), (0, 200)];
    let checks = rates.iter().flat_map(|(refused, unanswered)| {
        (0..4).map(|seed| {
            check(Faults {
                seed,
                refused: *refused,
                unanswered: *unanswered,
            })
        })
    });
    futures_util::future::join_all(checks).await;
}
