//! Runs that tasks begin.

use nix::sys::signal::Signal;

use super::{Daemon, number, until};
use crate::kill::project::Project;
use crate::kill::truth::state;

/// One attempt at a time in all: a task that waits and took a place would wait for ever.
const SETTINGS: &str = "max_active_tasks: 1\n";
const PARENT: &str = "dag: parent\ntasks:\n  call: { dag: { run: middle, params: { word: '{{ run.dag }}' } } }\n  after: { needs: call, shell: 'echo x >> after.txt' }\n";
const MIDDLE: &str = "dag: middle\nparams: { word: '' }\ntasks:\n  call: { dag: { run: child, params: { word: '{{ params.word }}', count: 3 } } }\n";

fn project(script: &str) -> Project {
    let child = format!(
        "dag: child\nparams: {{ word: '', count: 1 }}\ntasks:\n  go: {{ shell: {{ script: '{script}', env: {{ WORD: '{{{{ params.word }}}}' }} }} }}\n"
    );
    Project::new(&[
        ("runner.yaml", SETTINGS),
        ("pipelines/parent.yaml", PARENT),
        ("pipelines/middle.yaml", MIDDLE),
        ("pipelines/child.yaml", &child),
    ])
}

async fn runs(project: &Project, what: &str) -> i64 {
    number(project, &format!("SELECT count(*) FROM run WHERE {what}")).await
}

fn lines(project: &Project, file: &str) -> usize {
    let text = std::fs::read_to_string(project.root().join(file));
    text.unwrap_or_default().lines().count()
}

#[tokio::test]
async fn a_run_of_another_dag_is_a_run_of_its_own_and_is_waited_for() {
    let project = project("echo \"$WORD\" >> ran.txt");
    let interval = ["--data-interval", "2026-08-20/2026-08-21"];
    let words = [&["trigger", "parent"][..], &interval].concat();
    assert_eq!(project.run(&words).await, 0, "{}", project.said());
    let ran = std::fs::read_to_string(project.root().join("ran.txt")).unwrap();
    assert_eq!(ran, "parent\n");
    assert_eq!(lines(&project, "after.txt"), 1);
    let rows = state(
        &project,
        "SELECT dag, state, trigger_kind, coalesce(trigger_source, ''), id, params, \
         CAST(interval_start AS TEXT) FROM run ORDER BY created",
    )
    .await;
    let [parent, middle, child] = &rows[..] else {
        panic!("{rows:?}");
    };
    assert_eq!(parent[..3], ["parent", "success", "manual"]);
    assert_eq!(
        middle[..4],
        ["middle", "success", "dag", parent[4].as_str()]
    );
    assert_eq!(child[..4], ["child", "success", "dag", middle[4].as_str()]);
    assert_eq!(child[5], r#"{"word":"parent","count":3}"#);
    assert_eq!((&parent[6], &parent[6]), (&middle[6], &child[6]));
}

#[tokio::test]
async fn a_run_that_fails_fails_its_task_and_says_where_to_look() {
    let project = project("echo no >&2; test -e fine.txt || exit 7");
    assert_eq!(project.run(&["trigger", "parent"]).await, 3);
    let said = project.said();
    assert!(said.contains("of `child` failed: task `go`: "), "{said}");
    assert!(said.contains("`runner show "), "{said}");
    assert_eq!(runs(&project, "state = 'failed'").await, 3);
    assert_eq!(lines(&project, "after.txt"), 0);
    // Another try of the first goes on with the same runs.
    std::fs::write(project.root().join("fine.txt"), "").unwrap();
    assert_eq!(
        project.run(&["retry", "parent"]).await,
        0,
        "{}",
        project.said()
    );
    assert_eq!(runs(&project, "state = 'success'").await, 3);
    assert_eq!(runs(&project, "1").await, 3);
    assert_eq!(lines(&project, "after.txt"), 1);
}

#[tokio::test]
async fn who_cancels_a_run_cancels_those_that_it_began() {
    let project = project("sleep 1000");
    let daemon = Daemon::start(&project, &[]).await;
    assert_eq!(project.run(&["trigger", "parent", "--detach"]).await, 0);
    let busy = "SELECT count(*) FROM task_run JOIN run ON run.id = task_run.run \
                WHERE run.dag = 'child' AND task_run.state = 'running'";
    until("it runs", &project, async || {
        number(&project, busy).await == 1
    })
    .await;
    assert_eq!(project.run(&["cancel", "parent"]).await, 0);
    until("all have ended", &project, async || {
        runs(&project, "state = 'cancelled'").await == 3
    })
    .await;
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
}

#[tokio::test]
async fn a_killed_daemon_goes_on_waiting_for_the_same_run() {
    let project = project("echo x >> ran.txt; test -e fine.txt || sleep 1000");
    let ways = [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGKILL];
    for (round, way) in ways.into_iter().enumerate() {
        let daemon = Daemon::start(&project, &["--grace", "10ms"]).await;
        if round == 0 {
            assert_eq!(project.run(&["trigger", "parent", "--detach"]).await, 0);
        }
        until("it runs", &project, async || {
            lines(&project, "ran.txt") == round + 1
        })
        .await;
        daemon.end(&project, way).await;
    }
    std::fs::write(project.root().join("fine.txt"), "").unwrap();
    assert_eq!(project.run(&["schedule", "--once"]).await, 0);
    assert_eq!(
        runs(&project, "state = 'success'").await,
        3,
        "{}",
        project.said()
    );
    assert_eq!(runs(&project, "1").await, 3);
    assert_eq!(lines(&project, "after.txt"), 1);
}

#[tokio::test]
async fn the_runs_of_a_killed_process_are_taken_up_by_who_resumes_the_first() {
    let project = project("echo x >> ran.txt; test -e fine.txt || sleep 1000");
    let mut first = project.start(&["trigger", "parent"]);
    until("it runs", &project, async || {
        lines(&project, "ran.txt") == 1
    })
    .await;
    crate::kill::project::signal(&first, Signal::SIGKILL);
    project.end_of(&mut first).await;
    std::fs::write(project.root().join("fine.txt"), "").unwrap();
    let rows = state(&project, "SELECT id FROM run WHERE dag = 'parent'").await;
    assert_eq!(
        project.run(&["resume", &rows[0][0]]).await,
        0,
        "{}",
        project.said()
    );
    assert_eq!(runs(&project, "state = 'success'").await, 3);
}
