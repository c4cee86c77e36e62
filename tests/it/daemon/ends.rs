//! How the daemon ends, and what becomes of what runs.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Daemon, number, until, until_at_work};
use crate::kill::project::Project;

fn project(schedule: &str, script: &str) -> Project {
    let dag = format!("dag: job\nschedule: {schedule}\ntasks:\n  a: {{ shell: '{script}' }}\n");
    Project::new(&[("runner.yaml", "{}\n"), ("pipelines/job.yaml", &dag)])
}

async fn runs(project: &Project, state: &str) -> i64 {
    let query = format!("SELECT count(*) FROM run WHERE state = '{state}'");
    number(project, &query).await
}

#[tokio::test]
async fn what_ends_within_the_grace_time_is_waited_for() {
    let project = project("{ cron: '* * * * * *' }", "sleep 1.5; echo x >> ran.txt");
    let daemon = Daemon::start(&project, &["--grace", "50s"]).await;
    until("it runs", &project, async || {
        runs(&project, "running").await == 1
    })
    .await;
    let (code, took) = daemon.end(&project, Signal::SIGTERM).await;
    assert_eq!(code, 0);
    assert!(took < Duration::from_secs(40), "{took:?}");
    assert_eq!(runs(&project, "success").await, 1);
    let ran = std::fs::read_to_string(project.root().join("ran.txt")).unwrap();
    assert_eq!(ran.lines().count(), 1);
}

#[tokio::test]
async fn what_does_not_end_is_done_again_at_the_next_start() {
    let project = project("'@yearly'", "test \"$RUNNER_ATTEMPT\" -gt 1 || sleep 1000");
    let daemon = Daemon::start(&project, &["--grace", "100ms"]).await;
    assert_eq!(project.run(&["trigger", "job", "--detach"]).await, 0);
    until("it runs", &project, async || {
        runs(&project, "running").await == 1
    })
    .await;
    let (code, took) = daemon.end(&project, Signal::SIGTERM).await;
    assert_eq!(code, 0);
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(runs(&project, "running").await, 1);
    // Ended in good order, and yet unfinished: the next one goes on by itself.
    assert_eq!(project.run(&["schedule", "--once"]).await, 0);
    assert_eq!(runs(&project, "success").await, 1);
    assert!(project.said().contains("goes on after an interruption"));
}

#[tokio::test]
async fn said_twice_it_ends_at_once() {
    let project = project("'@yearly'", "sleep 1000");
    let daemon = Daemon::start(&project, &["--grace", "1000s"]).await;
    assert_eq!(project.run(&["trigger", "job", "--detach"]).await, 0);
    until("it runs", &project, async || {
        runs(&project, "running").await == 1
    })
    .await;
    daemon.signal(Signal::SIGINT);
    until("it is heard", &project, async || {
        project.said().contains("ending: nothing new")
    })
    .await;
    let (code, _) = daemon.end(&project, Signal::SIGINT).await;
    assert_eq!(code, 0);
    assert_eq!(runs(&project, "running").await, 1);
}

#[tokio::test]
async fn a_stream_does_not_use_up_the_grace_time_and_is_begun_anew() {
    let project = project("always", "sleep 1000");
    for _ in 0..2 {
        let daemon = Daemon::start(&project, &["--grace", "1000s"]).await;
        until_at_work(&project, 1).await;
        assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
    }
    // It is the same run, which goes on.
    assert_eq!(number(&project, "SELECT count(*) FROM run").await, 1);
}

#[tokio::test]
async fn once_begins_what_is_due_and_leaves_streams_out() {
    let project = project("{ every: 1s, catchup: latest }", "echo x >> ran.txt");
    std::fs::write(
        project.root().join("pipelines/stream.yaml"),
        "dag: stream\nschedule: always\ntasks:\n  a: { shell: 'sleep 1000' }\n",
    )
    .unwrap();
    // A DAG that was never seen has no past.
    assert_eq!(project.run(&["schedule", "--once"]).await, 0);
    let first = runs(&project, "success").await;
    until("a tick is due", &project, async || {
        assert_eq!(project.run(&["schedule", "--once"]).await, 0);
        runs(&project, "success").await > first
    })
    .await;
    assert_eq!(
        number(&project, "SELECT count(*) FROM run WHERE dag = 'stream'").await,
        0
    );
}

#[tokio::test]
async fn until_a_moment_it_works_and_then_waits_for_what_began() {
    let project = project("{ cron: '* * * * * *' }", "echo x >> ran.txt");
    let moment = runner::daemon::clock::now() + chrono::TimeDelta::seconds(3);
    let until = moment.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    assert_eq!(project.run(&["schedule", "--until", &until]).await, 0);
    let ran = std::fs::read_to_string(project.root().join("ran.txt")).unwrap();
    assert!((1..=3).contains(&ran.lines().count()), "{ran}");
    assert_eq!(
        number(
            &project,
            "SELECT count(*) FROM run WHERE state <> 'success'"
        )
        .await,
        0
    );
}
