//! What tasks see of each other, and in which states they end.

use std::collections::BTreeMap;
use std::sync::Arc;

use runner::model::{Outcome, RunId, RunState, TaskState};
use runner::spec::Pipeline;
use runner::store::{MemoryStore, RunStore};

use crate::support::project::scene;

/// The words for how each task of a run ended, items as `task[0]`.
pub(super) async fn outcomes(
    store: &dyn RunStore,
    run: &RunId,
    pipeline: &Pipeline,
) -> BTreeMap<String, String> {
    let rows = store.task_runs(run).await.unwrap();
    rows.iter()
        .map(|row| {
            let task = pipeline.dag.task(row.id.task).id.to_string();
            let name = match row.id.item {
                Some(item) => format!("{task}[{item}]"),
                None => task,
            };
            let word = match &row.state {
                TaskState::Finished { outcome, .. } => match outcome {
                    Outcome::Success => "success".to_owned(),
                    Outcome::Failed(cause) => {
                        format!("failed: {}", cause.message.lines().next().unwrap_or(""))
                    }
                    Outcome::Skipped => "skipped".to_owned(),
                    Outcome::UpstreamFailed => "upstream failed".to_owned(),
                    Outcome::Cancelled => "cancelled".to_owned(),
                },
                other => format!("{other:?}"),
            };
            (name, word)
        })
        .collect()
}

async fn check(yaml: &str, state: RunState, expected: &[(&str, &str)]) {
    let scene = scene(&[("pipelines/flow.yaml", yaml)]);
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let (_, id) = scene.carry_out("flow", store.clone()).await;
    let found = outcomes(store.as_ref(), &id, &scene.pipeline("flow")).await;
    let expected: BTreeMap<String, String> = expected
        .iter()
        .map(|(task, word)| ((*task).to_owned(), (*word).to_owned()))
        .collect();
    assert_eq!(found, expected, "{yaml}");
    let row = &store.find_runs(id.as_str(), 1).await.unwrap()[0];
    assert_eq!(row.state, state, "{yaml}");
}

#[tokio::test]
async fn outputs_travel_to_the_tasks_that_read_them() {
    check(
        r#"
dag: flow
params: { words: [one, two] }
tasks:
  a: { shell: 'echo "n=3" >> "$RUNNER_OUTPUTS"' }
  b:
    needs: a
    foreach: "{{ params.words }}"
    shell: { script: 'echo "word=$WORD" >> "$RUNNER_OUTPUTS"', env: { WORD: "{{ item }}{{ tasks.a.outputs.n }}" } }
  c:
    needs: b
    shell:
      script: 'test "$A" = one3 && test "$B" = two3 && test "$DAG" = flow'
      env: { A: "{{ tasks.b.outputs[0].word }}", B: "{{ tasks.b.outputs[1].word }}", DAG: "{{ run.dag }}" }
"#,
        RunState::Success,
        &[
            ("a", "success"),
            ("b", "success"),
            ("b[0]", "success"),
            ("b[1]", "success"),
            ("c", "success"),
        ],
    )
    .await;
}

#[tokio::test]
async fn conditions_and_rules_decide() {
    check(
        r"
dag: flow
params: { full: false }
tasks:
  never: { if: params.full, shell: exit 1 }
  after_never: { needs: never, shell: exit 1 }
  always: { needs: never, when: all_done }
  broken: { shell: exit 7 }
  not_run: { needs: broken }
  alarm: { needs: broken, when: one_failed }
  forgiven: { continue_on_failure: true, shell: exit 8 }
  goes_on: { needs: forgiven }
  none: { foreach: [], shell: exit 1 }
",
        RunState::Failed,
        &[
            ("never", "skipped"),
            ("after_never", "skipped"),
            ("always", "success"),
            ("broken", "failed: exit code 7"),
            ("not_run", "upstream failed"),
            ("alarm", "success"),
            ("forgiven", "failed: exit code 8"),
            ("goes_on", "success"),
            ("none", "skipped"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_template_that_fails_at_run_time_fails_its_task() {
    check(
        r#"
dag: flow
tasks:
  a: {}
  b: { needs: a, foreach: "{{ tasks.a.outputs.missing }}", shell: exit 0 }
  c: { needs: a, shell: { script: exit 0, env: { X: "{{ tasks.a.outputs.missing }}" } } }
"#,
        RunState::Failed,
        &[
            ("a", "success"),
            (
                "b",
                "failed: `foreach` fails: `tasks.a.outputs.missing` is undefined",
            ),
            (
                "c",
                "failed: variable `X`: `tasks.a.outputs.missing` is undefined",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn retries_end_with_success_or_with_the_last_failure() {
    check(
        r#"
dag: flow
defaults: { retry: { delay: 1ms } }
tasks:
  third_time: { retries: 2, shell: 'test "$RUNNER_ATTEMPT" = 3' }
  never: { retries: 2, shell: 'exit "$RUNNER_ATTEMPT"' }
  hopeless: { retries: 9, shell: no_such_command }
"#,
        RunState::Failed,
        &[
            ("third_time", "success"),
            ("never", "failed: exit code 3"),
            ("hopeless", "failed: exit code 127: a command was not found"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_timeout_ends_the_attempt() {
    check(
        r"
dag: flow
tasks:
  slow: { timeout: 50ms, shell: { script: sleep 60, grace: 1s } }
",
        RunState::Failed,
        &[("slow", "failed: it ran longer than its `timeout` of 50ms")],
    )
    .await;
}
