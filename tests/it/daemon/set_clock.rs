//! The clock of a real daemon is set, while it runs and while it doesn't.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::sys::signal::Signal;
use runner::model::Timestamp;

use super::{Daemon, number, until};
use crate::kill::project::Project;
use crate::kill::truth::state;

/// What makes the clock of a process one that can be set.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clock/clock.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let made = folder.join(format!("clock-{}.so", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-pthread", "-o"]);
        let status = compiler.arg(&made).arg(source).status().unwrap();
        assert!(status.success());
        // One for all, whole at any time.
        let kept = folder.join("clock.so");
        std::fs::rename(made, &kept).unwrap();
        kept
    })
}

struct Clock {
    file: std::fs::File,
    path: PathBuf,
}

impl Clock {
    fn of(project: &Project, text: &str) -> Self {
        let path = project.root().join("clock");
        let file = std::fs::File::create(&path).unwrap();
        let clock = Self { file, path };
        clock.set(text);
        clock
    }

    fn set(&self, text: &str) {
        let wanted: Timestamp = text.parse().unwrap();
        let by = (wanted - runner::daemon::clock::now())
            .num_microseconds()
            .unwrap();
        self.file.write_all_at(&by.to_ne_bytes(), 0).unwrap();
    }

    fn command(&self, project: &Project, arguments: &[&str]) -> tokio::process::Command {
        let mut command = project.command(arguments);
        command.env("LD_PRELOAD", library());
        command.env("TEST_CLOCK", &self.path);
        command
    }

    async fn daemon(&self, project: &Project) -> Daemon {
        let said = project.said().matches("scheduling ").count();
        let child = self.command(project, &["schedule"]).spawn().unwrap();
        until("it schedules", project, async || {
            project.said().matches("scheduling ").count() > said
        })
        .await;
        Daemon { child }
    }
}

fn project(dags: &[(&str, &str)]) -> Project {
    let files: Vec<(String, String)> = dags
        .iter()
        .map(|(dag, policy)| {
            let text = format!(
                "dag: {dag}\nschedule: {{ every: 1h, {policy} }}\ntasks: {{ a: {{ shell: 'true' }} }}\n"
            );
            (format!("pipelines/{dag}.yaml"), text)
        })
        .collect();
    let mut files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    files.push(("runner.yaml", "{}\n"));
    Project::new(&files)
}

/// The scheduled times of a DAG's runs, in order.
async fn ticks(project: &Project, dag: &str) -> Vec<Timestamp> {
    let query = format!(
        "SELECT CAST(logical_time AS TEXT) FROM run WHERE dag = '{dag}' ORDER BY logical_time"
    );
    let rows = state(project, &query).await;
    let micros = rows.iter().map(|row| row[0].parse().unwrap());
    micros
        .map(|micros| Timestamp::from_timestamp_micros(micros).unwrap())
        .collect()
}

fn hours(first: &str, count: i64) -> Vec<Timestamp> {
    let first: Timestamp = first.parse().unwrap();
    (0..count)
        .map(|hour| first + chrono::TimeDelta::hours(hour))
        .collect()
}

const ENDED: &str = "SELECT count(*) FROM run WHERE state = 'success'";

#[tokio::test]
async fn three_days_without_the_daemon_are_caught_up_as_asked() {
    let project = project(&[
        ("all", "catchup: all, overlap: queue"),
        ("latest", "catchup: latest"),
        ("none", "catchup: none"),
    ]);
    let clock = Clock::of(&project, "2030-01-01T00:30:00Z");
    let daemon = clock.daemon(&project).await;
    assert_eq!(daemon.end(&project, Signal::SIGKILL).await.0, 137);
    assert_eq!(number(&project, ENDED).await, 0);

    clock.set("2030-01-04T00:30:00Z");
    let daemon = clock.daemon(&project).await;
    until("some are caught up", &project, async || {
        number(&project, ENDED).await > 9
    })
    .await;
    assert_eq!(daemon.end(&project, Signal::SIGKILL).await.0, 137);
    let daemon = clock.daemon(&project).await;
    until("all are caught up", &project, async || {
        number(&project, ENDED).await == 73
    })
    .await;
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);

    // Back in time: what is decided stays so.
    clock.set("2030-01-01T00:30:00Z");
    let mut once = clock
        .command(&project, &["schedule", "--once"])
        .spawn()
        .unwrap();
    assert!(project.end_of(&mut once).await.success());
    assert_eq!(
        ticks(&project, "all").await,
        hours("2030-01-01T01:00:00Z", 72)
    );
    assert_eq!(
        ticks(&project, "latest").await,
        hours("2030-01-04T00:00:00Z", 1)
    );
    assert!(ticks(&project, "none").await.is_empty());
    for (dag, skipped) in [("all", 0), ("latest", 71), ("none", 72)] {
        let query = format!("SELECT coalesce(sum(count), 0) FROM skipped WHERE dag = '{dag}'");
        assert_eq!(number(&project, &query).await, skipped, "{dag}");
    }
}

#[tokio::test]
async fn a_clock_that_is_set_under_the_daemon_misses_and_doubles_nothing() {
    let project = project(&[("hourly", "catchup: all, overlap: queue")]);
    let clock = Clock::of(&project, "2030-01-01T00:30:00Z");
    let daemon = clock.daemon(&project).await;
    let ended = async |count: i64| {
        until("so many have run", &project, async || {
            number(&project, ENDED).await == count
        })
        .await;
    };
    for (moment, count) in [
        // Just after a tick, back to before it and over it again, hours ahead, and a day back.
        ("2030-01-01T01:00:01Z", 1),
        ("2030-01-01T00:59:59.500Z", 1),
        ("2030-01-01T02:00:01Z", 2),
        ("2030-01-01T06:30:00Z", 6),
        ("2029-12-31T06:30:00Z", 6),
        ("2030-01-01T08:00:00Z", 8),
    ] {
        clock.set(moment);
        ended(count).await;
    }
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
    assert_eq!(
        ticks(&project, "hourly").await,
        hours("2030-01-01T01:00:00Z", 8)
    );
}
