//! ^C, SIGTERM, and a second one.

use std::fs;

use nix::sys::signal::Signal;
use tokio::process::Child;

use super::machine::processes;
use super::project::{Project, code, signal};
use super::truth::{database, state};
use crate::support::eventually::{eventually, so};

const SETTINGS: &str = "connections: { warehouse: { postgres: embedded } }\n";

const PIPELINE: &str = r#"
dag: long
tasks:
  statement:
    sql: { connection: warehouse, script: "create table if not exists half (n int); insert into half values (1); select pg_sleep(1000)" }
  script:
    shell: "touch started; sleep 1000 & sleep 1000"
  after:
    needs: [statement, script]
    shell: "touch after"
"#;

/// What doesn't end when it is asked to.
const STUBBORN: &str = r#"
dag: long
tasks:
  script:
    shell: { script: "trap '' TERM; touch started; while true; do sleep 1000; done", grace: 1h }
"#;

/// Waits until something is so, as soon as it is.
async fn until(what: &str, project: &Project, mut is_so: impl AsyncFnMut() -> bool) {
    eventually(async || so(is_so().await, || format!("{what}\n{}", project.said()))).await;
}

async fn project(pipeline: &str) -> Project {
    let files = [("runner.yaml", SETTINGS), ("pipelines/long.yaml", pipeline)];
    Project::with_server(&files).await
}

const ASLEEP: &str = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1000)%' AND pid != pg_backend_pid()";

fn scripts(project: &Project) -> usize {
    let all = processes(project.root());
    all.iter()
        .filter(|process| process.command.starts_with("sleep"))
        .count()
}

async fn ends(project: &Project, child: &mut Child, expected: i32) {
    let code = code(project.end_of(child).await);
    assert_eq!(code, expected, "{}", project.said());
}

async fn cancels_cleanly(by: Signal) {
    let project = project(PIPELINE).await;
    let mut database = database(&project, "postgres").await;
    let mut child = project.start(&["trigger", "long"]);
    until("nothing runs", &project, async || {
        database.csv(ASLEEP).await == "1\n" && scripts(&project) == 2
    })
    .await;
    signal(&child, by);
    ends(&project, &mut child, 130).await;
    assert_eq!(database.csv(ASLEEP).await, "0\n");
    assert_eq!(scripts(&project), 0);
    assert_eq!(project.litter(), Vec::<std::path::PathBuf>::new());
    assert_eq!(
        state(&project, "SELECT state FROM run").await,
        [["cancelled"]]
    );
    let tasks = state(
        &project,
        "SELECT state, count(*) || '' FROM task_run GROUP BY state",
    )
    .await;
    assert_eq!(tasks, [["cancelled", "3"]]);
    assert!(!project.root().join("after").exists());
    // Nothing is left to go on with.
    assert_eq!(project.run(&["resume"]).await, 0);
    assert_eq!(
        state(&project, "SELECT state FROM run").await,
        [["cancelled"]]
    );
}

#[tokio::test]
async fn interrupting_cancels_cleanly() {
    cancels_cleanly(Signal::SIGINT).await;
}

#[tokio::test]
async fn terminating_cancels_cleanly() {
    cancels_cleanly(Signal::SIGTERM).await;
}

/// A run whose first ^C was heard and has no end, and whose second one has ended it.
async fn killed() -> Project {
    let project = project(STUBBORN).await;
    let mut child = project.start(&["trigger", "long"]);
    let started = project.root().join("started");
    until("nothing runs", &project, async || {
        started.exists() && scripts(&project) == 1
    })
    .await;
    signal(&child, Signal::SIGINT);
    until("it isn't cancelling", &project, async || {
        state(&project, "SELECT state FROM run").await == [["cancelling"]]
    })
    .await;
    assert_eq!(scripts(&project), 1);
    signal(&child, Signal::SIGINT);
    ends(&project, &mut child, 130).await;
    // Also the shell itself, which ignores SIGTERM.
    let left = processes(project.root());
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(
        state(&project, "SELECT state FROM run").await,
        [["cancelling"]]
    );
    project
}

#[tokio::test]
async fn a_second_interrupt_ends_everything_at_once_and_the_run_can_be_resumed() {
    let project = killed().await;
    // It goes on with what it was doing: being cancelled.
    assert_eq!(project.run(&["resume"]).await, 130);
    assert_eq!(
        state(&project, "SELECT state FROM run").await,
        [["cancelled"]]
    );
    assert_eq!(project.litter(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn after_a_second_interrupt_the_run_can_be_cancelled() {
    let project = killed().await;
    assert_eq!(project.run(&["cancel", "latest"]).await, 0);
    assert_eq!(
        state(&project, "SELECT state FROM run").await,
        [["cancelled"]]
    );
    assert_eq!(project.litter(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn cancelling_what_a_killed_program_has_left_ends_its_scripts() {
    let project = project(PIPELINE).await;
    let mut child = project.start(&["trigger", "long"]);
    let started = project.root().join("started");
    until("nothing runs", &project, async || {
        started.exists() && scripts(&project) == 2
    })
    .await;
    signal(&child, Signal::SIGKILL);
    ends(&project, &mut child, 137).await;
    assert_eq!(scripts(&project), 2, "the test has nothing to show");
    assert_eq!(project.run(&["cancel", "latest"]).await, 0);
    assert_eq!(scripts(&project), 0);
    assert_eq!(
        state(&project, "SELECT state FROM run").await,
        [["cancelled"]]
    );
    assert_eq!(project.litter(), Vec::<std::path::PathBuf>::new());
    let log = fs::read_dir(project.state().join("logs")).unwrap().count();
    assert_eq!(log, 1);
}
