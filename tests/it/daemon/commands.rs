//! What people ask for reaches the daemon at once.

use nix::sys::signal::Signal;

use super::{Daemon, number, until, until_at_work};
use crate::kill::project::Project;
use crate::kill::truth::state;

const SLEEPS: &str = "dag: sleeps\ntasks:\n  a: { shell: 'sleep 1000' }\n";
const QUICK: &str = "dag: quick\ntasks:\n  a: { shell: 'test -e fine.txt' }\n  b: { needs: a, shell: 'echo x >> ran.txt' }\n";
const TICKS: &str = "dag: ticks\nschedule: { cron: '* * * * * *' }\ntasks:\n  a: { shell: 'echo x >> ticks.txt' }\n";

fn project() -> Project {
    Project::new(&[
        ("runner.yaml", "{}\n"),
        ("pipelines/sleeps.yaml", SLEEPS),
        ("pipelines/quick.yaml", QUICK),
    ])
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_told_of_the_first() {
    let project = project();
    assert_eq!(project.run(&["schedule", "--status"]).await, 3);
    let daemon = Daemon::start(&project, &[]).await;
    assert_eq!(project.run(&["schedule", "--status"]).await, 0);
    assert_eq!(project.run(&["schedule"]).await, 2);
    let process = daemon.child.id().unwrap();
    let words = format!("process {process} schedules this project already");
    assert!(project.said().contains(&words), "{}", project.said());
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
    // When the first is gone, there is room.
    let daemon = Daemon::start(&project, &[]).await;
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
}

#[tokio::test]
async fn a_run_is_handed_to_the_daemon_and_watched_to_its_end() {
    let project = project();
    let daemon = Daemon::start(&project, &[]).await;
    assert_eq!(project.run(&["trigger", "quick"]).await, 3);
    std::fs::write(project.root().join("fine.txt"), "").unwrap();
    assert_eq!(project.run(&["retry", "quick"]).await, 0);
    assert_eq!(project.run(&["trigger", "quick"]).await, 0);
    let ran = std::fs::read_to_string(project.root().join("ran.txt")).unwrap();
    assert_eq!(ran.lines().count(), 2);
    // They are the daemon's.
    let process = daemon.child.id().unwrap();
    let owners = state(&project, "SELECT DISTINCT owner FROM run").await;
    assert_eq!(owners.len(), 1);
    assert!(
        owners[0][0].starts_with(&format!("{process}-")),
        "{owners:?}"
    );
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
}

#[tokio::test]
async fn a_detached_run_needs_a_daemon_and_is_not_waited_for() {
    let project = project();
    assert_eq!(project.run(&["trigger", "quick", "--detach"]).await, 2);
    assert!(
        project
            .said()
            .contains("nobody is there to carry the run out")
    );
    assert_eq!(number(&project, "SELECT count(*) FROM run").await, 0);
    let daemon = Daemon::start(&project, &[]).await;
    assert_eq!(project.run(&["trigger", "sleeps", "--detach"]).await, 0);
    until("it runs", &project, async || {
        number(&project, "SELECT count(*) FROM run WHERE state = 'running'").await == 1
    })
    .await;
    assert_eq!(project.run(&["cancel", "sleeps"]).await, 0);
    until("it has ended", &project, async || {
        number(
            &project,
            "SELECT count(*) FROM run WHERE state = 'cancelled'",
        )
        .await
            == 1
    })
    .await;
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
}

#[tokio::test]
async fn who_watches_goes_on_with_the_run_of_a_killed_daemon() {
    let project = project();
    let daemon = Daemon::start(&project, &[]).await;
    let gate = project.root().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::fs::write(
        project.root().join("pipelines/quick.yaml"),
        "dag: quick\ntasks:\n  a: { shell: 'test \"$RUNNER_ATTEMPT\" -gt 1 || cat gate' }\n",
    )
    .unwrap();
    let mut watching = project.start(&["trigger", "quick"]);
    until_at_work(&project, 1).await;
    daemon.end(&project, Signal::SIGKILL).await;
    let status = project.end_of(&mut watching).await;
    assert_eq!(status.code(), Some(0), "{}", project.said());
    assert!(
        project.said().contains("going on here"),
        "{}",
        project.said()
    );
}

#[tokio::test]
async fn a_paused_dag_begins_nothing_until_it_goes_on() {
    let project = Project::new(&[("runner.yaml", "{}\n"), ("pipelines/ticks.yaml", TICKS)]);
    let daemon = Daemon::start(&project, &[]).await;
    let runs = async || number(&project, "SELECT count(*) FROM run").await;
    until("it ticks", &project, async || runs().await >= 1).await;
    assert_eq!(project.run(&["pause", "ticks"]).await, 0);
    until("it is told", &project, async || {
        project.said().contains("is paused\n")
    })
    .await;
    let paused = runs().await;
    // The daemon counts its ticks by the clock: two of them pass.
    let later = runner::daemon::clock::now() + chrono::TimeDelta::milliseconds(2_100);
    until("two ticks have passed", &project, async || {
        runner::daemon::clock::now() > later
    })
    .await;
    assert_eq!(runs().await, paused);
    assert_eq!(project.run(&["unpause", "ticks"]).await, 0);
    until("it ticks again", &project, async || runs().await > paused).await;
    let skipped = "SELECT count FROM skipped WHERE reason LIKE '%paused%'";
    assert!(number(&project, skipped).await >= 2);
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
    // Nobody has to be there to be told.
    assert_eq!(project.run(&["pause", "ticks"]).await, 0);
    let before = runs().await;
    assert_eq!(project.run(&["schedule", "--once"]).await, 0);
    assert_eq!(runs().await, before);
    assert_eq!(project.run(&["pause", "tick"]).await, 2);
    assert!(project.said().contains("did you mean `ticks`"));
}

const DAILY: &str =
    "dag: daily\nschedule: '@daily'\ntasks:\n  a: { shell: 'test -e open || cat gate' }\n";
const THEN: &str = "dag: then\nafter: daily\ntasks: { a: {} }\n";

#[tokio::test]
async fn what_a_process_from_before_carries_out_is_heard_at_once() {
    let project = Project::new(&[
        ("runner.yaml", "{}\n"),
        ("pipelines/daily.yaml", DAILY),
        ("pipelines/then.yaml", THEN),
    ]);
    let gate = project.root().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let words = [
        "backfill",
        "daily",
        "--from",
        "2026-08-20",
        "--to",
        "2026-08-24",
    ];
    let mut before = project.start(&words);
    until_at_work(&project, 1).await;
    let daemon = Daemon::start(&project, &[]).await;
    std::fs::write(project.root().join("open"), "").unwrap();
    let gate = tokio::task::spawn_blocking(move || std::fs::write(gate, ""));
    gate.await.unwrap().unwrap();
    let status = project.end_of(&mut before).await;
    assert_eq!(status.code(), Some(0), "{}", project.said());
    // The first of them was begun before the daemon, the others in an instant of its life.
    let followed = "SELECT count(*) FROM run WHERE dag = 'then' AND state = 'success'";
    until("others come after them", &project, async || {
        number(&project, followed).await == 4
    })
    .await;
    let intervals = "SELECT count(DISTINCT interval_start) FROM run WHERE dag = 'then'";
    assert_eq!(number(&project, intervals).await, 4);
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
}
