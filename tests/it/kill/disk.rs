//! A disk that is full, and a run state that somebody else has locked.

use std::fs;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};
use tokio::process::Command;

use super::project::{Project, code};
use super::truth::state;
use crate::support::postgres::runner;

/// A shell in namespaces of its own, where it may mount. `None`: this system doesn't allow it.
async fn shell_that_mounts(project: &Project, script: &str) -> Option<String> {
    let shell = |script: &str| {
        let mut command = Command::new("unshare");
        command
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-eu",
                "-c",
                script,
            ])
            .current_dir(project.root())
            .env("RUNNER", runner())
            .env_remove("RUNNER_ATTEMPT_ID")
            .kill_on_drop(true);
        command
    };
    let probe = "mount -t tmpfs -o size=1m none .";
    let allowed = shell(probe).output().await;
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("not tried: nothing can be mounted here");
        return None;
    }
    let output = shell(script).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}{complaints}");
    Some(text + &complaints)
}

const EXPORT: &str = r"
dag: export
tasks:
  write: { copy: { from: { file: in.csv }, to: { file: bucket/out.ndjson } } }
";

#[tokio::test]
async fn a_full_disk_fails_the_task_that_writes_and_a_retry_finds_room() {
    let rows: String = (0..20_000).map(|row| format!("{row}\n")).collect();
    let project = Project::new(&[
        ("pipelines/export.yaml", EXPORT),
        ("in.csv", &format!("n\n{rows}")),
        ("bucket/.gitignore", ""),
    ]);
    let said = shell_that_mounts(
        &project,
        r#"
mount -t tmpfs -o size=64k none bucket
echo before > bucket/out.ndjson
code=0; "$RUNNER" trigger export || code=$?
echo "first: $code, $(cat bucket/out.ndjson), files: $(ls -A bucket | wc -l)"
mount -o remount,size=4m none bucket
code=0; "$RUNNER" retry latest || code=$?
echo "second: $code, lines: $(wc -l < bucket/out.ndjson), files: $(ls -A bucket | wc -l)"
"#,
    )
    .await;
    let Some(said) = said else { return };
    assert!(said.contains("No space left on device"), "{said}");
    assert!(said.contains("first: 3, before, files: 1\n"), "{said}");
    assert!(
        said.contains("second: 0, lines: 20000, files: 1\n"),
        "{said}"
    );
}

/// The first task leaves no byte free where the run state is.
const FILL: &str = r"
dag: fill
tasks:
  fill: { shell: 'cat /dev/zero > .runner/filler || true' }
  next: { needs: fill, shell: 'echo ran >> ran.txt' }
";

#[tokio::test]
async fn a_full_disk_of_the_run_state_is_waited_out() {
    let project = Project::new(&[("pipelines/fill.yaml", FILL), (".runner/.gitignore", "")]);
    let said = shell_that_mounts(
        &project,
        r#"
mount -t tmpfs -o size=600k none .runner
"$RUNNER" trigger fill > said.txt 2>&1 &
runner=$!
until grep -q 'is full' said.txt || ! kill -0 $runner; do :; done
rm .runner/filler
code=0; wait $runner || code=$?
cat said.txt
echo "code: $code"
"$RUNNER" runs
"#,
    )
    .await;
    let Some(said) = said else { return };
    assert!(said.contains("is full; make room"), "{said}");
    assert!(said.contains("code: 0\n"), "{said}");
    let ran = fs::read_to_string(project.root().join("ran.txt")).unwrap();
    assert_eq!(ran, "ran\n");
}

#[tokio::test]
async fn a_run_state_that_is_locked_is_waited_for() {
    let project = Project::new(&[(
        "pipelines/one.yaml",
        "dag: one\ntasks:\n  a: { shell: 'true' }\n",
    )]);
    assert_eq!(project.run(&["trigger", "one"]).await, 0);
    let options = SqliteConnectOptions::new().filename(project.state().join("state.db"));
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let mut child = project.start(&["trigger", "one"]);
    // It is the absence of an end that is seen here, which takes some time.
    let early = tokio::time::timeout(Duration::from_secs(1), child.wait()).await;
    assert!(early.is_err(), "it didn't wait:\n{}", project.said());
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(
        code(project.end_of(&mut child).await),
        0,
        "{}",
        project.said()
    );
    let runs = state(
        &project,
        "SELECT state, count(*) || '' FROM run GROUP BY state",
    )
    .await;
    assert_eq!(runs, [["success", "2"]]);
}
