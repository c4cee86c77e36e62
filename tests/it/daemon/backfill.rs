//! Intervals of the past: each is run once, by the command or by the daemon, over kills.

use nix::sys::signal::Signal;

use super::{Daemon, number, until};
use crate::kill::project::{Project, code};
use crate::kill::truth::state;

/// Fails for one day as long as there is no file `fine.txt`.
const DAG: &str = r#"
dag: daily
schedule: { cron: "0 3 * * *", timezone: Europe/Berlin }
tasks:
  a:
    shell:
      env: { DAY: "{{ run.data_interval.start | date('%Y-%m-%d') }}" }
      script: 'test "$DAY" != 2026-08-22 || test -e fine.txt'
  b: { needs: a, shell: 'echo x >> ran.txt' }
"#;

fn project() -> Project {
    Project::new(&[("runner.yaml", "{}\n"), ("pipelines/daily.yaml", DAG)])
}

const WORDS: [&str; 6] = [
    "backfill",
    "daily",
    "--from",
    "2026-08-20",
    "--to",
    "2026-08-26",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    WORDS.iter().chain(more).copied().collect()
}

/// How many runs there are of each interval that has some, and how the last of each ended.
async fn intervals(project: &Project) -> Vec<(String, i64, String)> {
    let query = "SELECT strftime('%d %H', interval_start / 1000000, 'unixepoch'), \
                 CAST(count(*) AS TEXT), \
                 (SELECT state FROM run AS last WHERE last.interval_start = run.interval_start \
                  ORDER BY id DESC LIMIT 1) \
                 FROM run GROUP BY interval_start ORDER BY interval_start";
    let rows = state(project, query).await;
    rows.into_iter()
        .map(|row| (row[0].clone(), row[1].parse().unwrap(), row[2].clone()))
        .collect()
}

fn each(counts: [i64; 5], third: &str) -> Vec<(String, i64, String)> {
    // Three o'clock in Berlin; the first night of the 20th belongs to an interval before it.
    let days = ["20 01", "21 01", "22 01", "23 01", "24 01"];
    let states = ["success", "success", third, "success", "success"];
    let rows = days.iter().zip(counts).zip(states);
    rows.map(|((day, count), state)| ((*day).to_owned(), count, state.to_owned()))
        .collect()
}

async fn fill(project: &Project) {
    assert_eq!(project.run(&with(&["--dry-run"])).await, 0);
    assert!(
        project.said().contains("5 of 5 intervals would run"),
        "{}",
        project.said()
    );
    assert_eq!(number(project, "SELECT count(*) FROM run").await, 0);
    assert_eq!(project.run(&with(&["--parallel", "2"])).await, 3);
    assert_eq!(intervals(project).await, each([1; 5], "failed"));
    // What has a run stays as it is, unless it is asked for.
    assert_eq!(project.run(&with(&[])).await, 0);
    assert_eq!(intervals(project).await, each([1; 5], "failed"));
    std::fs::write(project.root().join("fine.txt"), "").unwrap();
    assert_eq!(project.run(&with(&["--reprocess", "failed"])).await, 0);
    assert_eq!(intervals(project).await, each([1, 1, 2, 1, 1], "success"));
    assert_eq!(
        project
            .run(&with(&["--reprocess", "all", "--parallel", "5"]))
            .await,
        0
    );
    assert_eq!(intervals(project).await, each([2, 2, 3, 2, 2], "success"));
    let behind = "SELECT count(*) FROM run WHERE priority >= 0 OR trigger_kind <> 'backfill'";
    assert_eq!(number(project, behind).await, 0);
}

#[tokio::test]
async fn each_interval_is_run_and_what_failed_again() {
    fill(&project()).await;
}

#[tokio::test]
async fn the_daemon_carries_them_out_when_there_is_one() {
    let project = project();
    let daemon = Daemon::start(&project, &[]).await;
    fill(&project).await;
    let owners = state(&project, "SELECT DISTINCT owner FROM run").await;
    assert_eq!(owners.len(), 1, "{owners:?}");
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
}

#[tokio::test]
async fn a_killed_backfill_goes_on_where_it_was() {
    let project = project();
    std::fs::write(project.root().join("fine.txt"), "").unwrap();
    let mut kills = 0;
    for passage in 1..=40 {
        for point in ["before-store-write", "after-store-write"] {
            let mut command = project.command(&with(&["--parallel", "2"]));
            command.env("RUNNER_FAILPOINT", format!("{point}:{passage}"));
            let mut child = command.spawn().unwrap();
            match code(project.end_of(&mut child).await) {
                137 => kills += 1,
                0 => {}
                other => panic!("{other}\n{}", project.said()),
            }
        }
    }
    assert!(kills >= 8, "{kills}");
    assert_eq!(project.run(&with(&[])).await, 0);
    assert_eq!(intervals(&project).await, each([1; 5], "success"));
    assert_eq!(
        number(
            &project,
            "SELECT count(*) FROM run WHERE state <> 'success'"
        )
        .await,
        0
    );
}

#[tokio::test]
async fn what_makes_no_intervals_is_said() {
    let project = project();
    std::fs::write(
        project.root().join("pipelines/byhand.yaml"),
        "dag: byhand\ntasks: { a: { shell: 'true' } }\n",
    )
    .unwrap();
    for (words, said) in [
        (
            &["byhand", "--from", "2026-08-20", "--to", "2026-08-22"][..],
            "has no schedule that makes intervals",
        ),
        (
            &["daily", "--from", "2026-08-20", "--to", "2026-08-20"][..],
            "`--to` isn't after `--from`",
        ),
        (
            &["daily", "--from", "2026-08-20", "--to", "2026-08-21"][..],
            "no interval begins and ends in this time",
        ),
        (
            &["daily", "--from", "soon", "--to", "2026-08-21"][..],
            "`--from soon` is no day and no time",
        ),
    ] {
        let words: Vec<&str> = ["backfill"].iter().chain(words).copied().collect();
        assert_eq!(project.run(&words).await, 2, "{words:?}");
        assert!(project.said().contains(said), "{said}\n{}", project.said());
    }
    let words = [
        "backfill",
        "byhand",
        "--from",
        "2026-08-20",
        "--to",
        "2026-08-22",
        "--every",
        "12h",
    ];
    assert_eq!(project.run(&words).await, 0);
    assert_eq!(
        number(&project, "SELECT count(*) FROM run WHERE state = 'success'").await,
        4
    );
}

/// Ticks would wait for the backfill, if it were in their way.
const TICKS: &str = r#"
dag: ticks
schedule: { cron: "* * * * * *", overlap: queue }
tasks:
  a: { if: run.trigger == 'backfill', shell: 'while ! test -e open; do sleep 0.05; done' }
"#;

#[tokio::test]
async fn ticks_go_on_beside_a_backfill() {
    let project = Project::new(&[("runner.yaml", "{}\n"), ("pipelines/ticks.yaml", TICKS)]);
    let daemon = Daemon::start(&project, &[]).await;
    let words = [
        "backfill",
        "ticks",
        "--from",
        "2026-08-20T00:00:00Z",
        "--to",
        "2026-08-20T00:00:02Z",
        "--parallel",
        "2",
    ];
    let mut filling = project.start(&words);
    let working = "SELECT count(*) FROM task_run WHERE state = 'running'";
    until("it is filled", &project, async || {
        number(&project, working).await == 2
    })
    .await;
    let ended = "SELECT count(*) FROM run WHERE trigger_kind = 'schedule' AND finished IS NOT NULL";
    let before = number(&project, ended).await;
    until("it ticks", &project, async || {
        number(&project, ended).await > before + 2
    })
    .await;
    assert_eq!(number(&project, working).await, 2);
    std::fs::write(project.root().join("open"), "").unwrap();
    let status = project.end_of(&mut filling).await;
    assert_eq!(status.code(), Some(0), "{}", project.said());
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
}
