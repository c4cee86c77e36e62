//! `on_failure` and `on_success`.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use runner::model::{Outcome, RunState, TaskState};
use runner::store::{MemoryStore, RunStore};
use serde_json::json;

use super::webhook::Server;
use crate::support::project::{Scene, scene};

/// Runs the pipeline `work`; how it and its tasks ended.
async fn run(scene: &Scene) -> (RunState, BTreeMap<String, &'static str>) {
    let store: Arc<dyn RunStore> = Arc::new(MemoryStore::new());
    let (_, id) = scene.carry_out("work", store.clone()).await;
    let pipeline = scene.pipeline("work");
    let rows = store.task_runs(&id).await.unwrap();
    let tasks = rows.iter().map(|row| {
        let word = match &row.state {
            TaskState::Finished { outcome, .. } => match outcome {
                Outcome::Success => "success",
                Outcome::Failed(_) => "failed",
                Outcome::Skipped => "skipped",
                Outcome::UpstreamFailed => "upstream failed",
                Outcome::Cancelled => "cancelled",
            },
            _ => "not ended",
        };
        (pipeline.dag.task(row.id.task).id.to_string(), word)
    });
    let tasks = tasks.collect();
    let state = store.find_runs(id.as_str(), 1).await.unwrap()[0].state;
    (state, tasks)
}

async fn check(yaml: &str, state: RunState, expected: &[(&str, &str)]) {
    let scene = scene(&[("pipelines/work.yaml", yaml)]);
    let (found_state, found) = run(&scene).await;
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(task, word)| (task.as_str(), *word))
        .collect();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "{yaml}");
    assert_eq!(found_state, state, "{yaml}");
}

#[tokio::test]
async fn hooks_run_by_how_their_task_ended() {
    check(
        r#"
dag: work
on_failure: { shell: "true" }
on_success: { shell: "true" }
tasks:
  good: { shell: "true", on_success: { shell: "true" }, on_failure: { shell: "true" } }
  bad: { shell: "false", on_success: { shell: "true" }, on_failure: { shell: "true" } }
  never: { needs: bad, shell: "true", on_failure: { shell: "true" }, on_success: { shell: "true" } }
  left: { if: "false", shell: "true", on_failure: { shell: "true" }, on_success: { shell: "true" } }
  after: { needs: good, shell: "true" }
"#,
        RunState::Failed,
        &[
            ("good", "success"),
            ("good-on_success", "success"),
            ("good-on_failure", "skipped"),
            ("bad", "failed"),
            ("bad-on_success", "skipped"),
            ("bad-on_failure", "success"),
            ("never", "upstream failed"),
            ("never-on_success", "skipped"),
            ("never-on_failure", "skipped"),
            ("left", "skipped"),
            ("left-on_success", "skipped"),
            ("left-on_failure", "skipped"),
            ("after", "success"),
            ("on_failure", "success"),
            ("on_success", "skipped"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_hook_never_changes_how_the_run_ends() {
    check(
        r#"
dag: work
on_success: { shell: "false" }
on_failure: { shell: "true" }
tasks:
  good: { shell: "true", on_success: { shell: "false" } }
  forgiven: { shell: "false", continue_on_failure: true, on_failure: { shell: "false" } }
"#,
        RunState::Success,
        &[
            ("good", "success"),
            ("good-on_success", "failed"),
            ("forgiven", "failed"),
            ("forgiven-on_failure", "failed"),
            ("on_success", "failed"),
            ("on_failure", "skipped"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_failure_is_told_with_its_reason() {
    let server = Server::start(&[200]).await;
    let settings = format!(
        "connections: {{ ops: {{ webhook: \"{}\" }} }}\n",
        server.url
    );
    let yaml = r#"
dag: work
on_failure:
  notify: { connection: ops, text: "{{ run.dag }}: {{ failed | length }}, first {{ task.id }}: {{ task.error }}" }
tasks:
  items:
    foreach: [0, 3]
    shell: { script: 'exit "$N"', env: { N: "{{ item }}" } }
    on_failure: { notify: { connection: ops, text: "{{ task.id }}: {{ task.error }}" } }
"#;
    let scene = scene(&[("runner.yaml", &settings), ("pipelines/work.yaml", yaml)]);
    let (state, tasks) = run(&scene).await;
    assert_eq!(state, RunState::Failed);
    assert_eq!(tasks["items-on_failure"], "success");
    let mut texts: Vec<String> = server
        .requests()
        .into_iter()
        .map(|request| request.body["text"].as_str().unwrap().to_owned())
        .collect();
    texts.sort();
    let expected = "1 of 2 items failed; item 1: ";
    assert!(
        texts[0].starts_with(&format!("items: {expected}")),
        "{texts:?}"
    );
    assert!(
        texts[1].starts_with(&format!("work: 1, first items: {expected}")),
        "{texts:?}"
    );
    assert_eq!(json!(texts).as_array().unwrap().len(), 2);
}

/// The hook's first attempt kills the program that carries it out.
#[test]
fn a_hook_survives_its_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("pipelines")).unwrap();
    let yaml = r#"
dag: work
tasks:
  bad:
    shell: 'echo "no such book" >&2; exit 7'
    on_failure:
      shell:
        script: 'test -e killed || { touch killed; kill -KILL "$PPID"; exit 1; }; echo "$WHY" > said.txt'
        env: { WHY: "{{ task.id }}: {{ task.error }}" }
"#;
    std::fs::write(path.join("pipelines/work.yaml"), yaml).unwrap();
    let runner = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        let command = command.args(arguments).current_dir(path);
        command.stdin(Stdio::null()).output().unwrap()
    };
    let killed = runner(&["trigger", "work"]);
    assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
    assert!(!path.join("said.txt").exists());
    let resumed = runner(&["resume"]);
    assert_eq!(resumed.status.code(), Some(3), "{resumed:?}");
    let said = std::fs::read_to_string(path.join("said.txt")).unwrap();
    assert!(
        said.starts_with("bad: ") && said.contains("no such book"),
        "{said}"
    );
}

#[test]
fn a_part_of_a_run_has_its_hooks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("pipelines")).unwrap();
    let yaml = "dag: work\non_success: { shell: touch all }\ntasks:\n  \
                a: { shell: \"true\", on_success: { shell: touch a } }\n  \
                b: { shell: \"true\", on_success: { shell: touch b } }\n";
    std::fs::write(path.join("pipelines/work.yaml"), yaml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    command
        .args(["trigger", "work", "--only", "a"])
        .current_dir(path);
    let ran = command.stdin(Stdio::null()).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let made = ["a", "b", "all"].map(|name| path.join(name).exists());
    assert_eq!(made, [true, false, true]);
}
