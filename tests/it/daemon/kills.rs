//! The daemon is killed before and after every write of the run state, and at random: no tick is
//! lost, none runs twice, nothing is stuck, and what is loaded is loaded once.
//!
//! `RUNNER_DAEMON_KILLS` says how many kills there are of each sort, otherwise a hundred.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner::daemon::clock::{now, random};
use runner::failpoint::Point;

use super::number;
use crate::kill::project::{Project, code};
use crate::kill::truth::{sqlite, state};

/// Most passages of a point before the kill: a start makes a few writes, its first runs some more.
const PASSAGES: usize = 12;

fn kills() -> usize {
    let environment = runner::secret::Environment::of_process();
    let asked = environment.get("RUNNER_DAEMON_KILLS");
    asked.map_or(100, |asked| asked.parse().expect("a number"))
}

/// A project with so many ticks behind it that there is always something to do.
async fn project(ticks: usize) -> Project {
    let start = now() - chrono::TimeDelta::seconds(i64::try_from(ticks).unwrap());
    let start = start.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let yaml = format!(
        "dag: ticks\n\
         schedule: {{ every: 1s, start: {start}, catchup: all, overlap: allow }}\n\
         max_runs: 4\n\
         defaults: {{ retries: 20, retry: {{ delay: 1ms }} }}\n\
         tasks:\n\
         \x20 load: {{ sql: {{ connection: notes, script: 'insert into loaded values ({{{{ run.logical_time }}}})' }} }}\n\
         \x20 copied:\n\
         \x20   needs: load\n\
         \x20   copy: {{ from: {{ file: in.csv }}, to: {{ connection: notes, table: copied }} }}\n"
    );
    let project = Project::new(&[
        (
            "runner.yaml",
            "connections: { notes: { sqlite: notes.db } }\n",
        ),
        ("pipelines/ticks.yaml", &yaml),
        ("in.csv", "word\none\ntwo\n"),
    ]);
    let notes = project.root().join("notes.db");
    sqlite(&notes, "CREATE TABLE loaded (tick text)").await;
    sqlite(&notes, "CREATE TABLE copied (word text)").await;
    project
}

async fn count(project: &Project, query: &str) -> i64 {
    let query = format!("SELECT CAST(({query}) AS TEXT)");
    sqlite(&project.root().join("notes.db"), &query).await[0][0]
        .parse()
        .unwrap()
}

/// Lets it finish, and compares what there is with what there must be.
async fn check(project: &Project) {
    assert_eq!(
        project.run(&["schedule", "--once"]).await,
        0,
        "{}",
        project.said()
    );
    let unfinished = "SELECT count(*) FROM run WHERE state <> 'success'";
    assert_eq!(number(project, unfinished).await, 0, "{}", project.said());
    let ticks = "SELECT CAST(count(*) AS TEXT), CAST(count(DISTINCT logical_time) AS TEXT), \
                 CAST((max(logical_time) - min(logical_time)) / 1000000 + 1 AS TEXT) FROM run";
    let found = state(project, ticks).await;
    let numbers: Vec<i64> = found[0].iter().map(|cell| cell.parse().unwrap()).collect();
    let skipped = "SELECT coalesce(sum(count), 0) FROM skipped";
    assert_eq!(number(project, skipped).await, 0);
    assert_eq!(
        (numbers[0], numbers[1]),
        (numbers[2], numbers[2]),
        "{numbers:?}"
    );
    let loaded = count(project, "SELECT count(*) FROM loaded").await;
    let different = count(project, "SELECT count(DISTINCT tick) FROM loaded").await;
    let copied = count(project, "SELECT count(*) FROM copied").await;
    assert_eq!(
        (loaded, different, copied),
        (numbers[0], numbers[0], 2 * numbers[0])
    );
    assert_eq!(project.litter(), Vec::<std::path::PathBuf>::new());
}

async fn at_points(points: [Point; 2]) {
    let kills = kills();
    let project = project(kills * PASSAGES / 3).await;
    let mut killed = 0;
    let mut passage = 1;
    while killed < kills {
        for point in points {
            let mut command = project.command(&["schedule"]);
            command.env("RUNNER_FAILPOINT", format!("{}:{passage}", point.name()));
            let mut child = command.spawn().unwrap();
            let code = code(project.end_of(&mut child).await);
            assert_eq!(code, 137, "{}", project.said());
            killed += 1;
        }
        passage = passage % PASSAGES + 1;
    }
    check(&project).await;
}

#[tokio::test]
async fn killed_before_and_after_every_write_of_the_run_state() {
    at_points([Point::BeforeStoreWrite, Point::AfterStoreWrite]).await;
}

#[tokio::test]
async fn killed_before_and_after_every_commit_of_a_load() {
    at_points([Point::BeforeLoadCommit, Point::AfterLoadCommit]).await;
}

#[tokio::test]
async fn killed_at_random() {
    let kills = kills();
    let project = project(kills).await;
    for _ in 0..kills {
        let mut child = project.start(&["schedule"]);
        let wait = Duration::from_millis(random() % 400);
        // It doesn't end by itself: the time is up.
        assert!(
            tokio::time::timeout(wait, child.wait()).await.is_err(),
            "{}",
            project.said()
        );
        let process = i32::try_from(child.id().unwrap()).unwrap();
        kill(Pid::from_raw(process), Signal::SIGKILL).unwrap();
        project.end_of(&mut child).await;
    }
    check(&project).await;
}

#[tokio::test]
async fn what_it_says_it_schedules_is_durable() {
    let hourly =
        "dag: hourly\nschedule: { every: 1h, catchup: all }\ntasks: { a: { shell: 'true' } }\n";
    let project = Project::new(&[("runner.yaml", "{}\n"), ("pipelines/hourly.yaml", hourly)]);
    let mut passage = 0;
    loop {
        passage += 1;
        let mut command = project.command(&["schedule", "--once"]);
        command.env(
            "RUNNER_FAILPOINT",
            format!("{}:{passage}", Point::BeforeStoreWrite.name()),
        );
        let mut child = command.spawn().unwrap();
        let code = code(project.end_of(&mut child).await);
        // From which moment on ticks are caught up on.
        let known = "SELECT count(*) FROM schedule WHERE memory LIKE '%decided%'";
        let known = number(&project, known).await;
        let said = project.said().contains("scheduling 1 DAG");
        assert!(known == 1 || !said, "killed at write {passage}");
        if code == 0 {
            assert!(said && passage > 1);
            return;
        }
        assert_eq!(code, 137, "{}", project.said());
    }
}
