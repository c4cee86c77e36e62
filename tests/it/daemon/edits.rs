//! Files of the project change while the daemon runs.

use std::path::Path;

use nix::sys::signal::Signal;

use super::{Daemon, number, until, until_at_work};
use crate::kill::project::Project;
use crate::kill::truth::state;

fn dag(name: &str, cron: &str, script: &str) -> String {
    format!("dag: {name}\nschedule: {{ cron: '{cron}' }}\ntasks:\n  a: {{ shell: '{script}' }}\n")
}

fn write(root: &Path, name: &str, text: &str) {
    std::fs::write(root.join("pipelines").join(name), text).unwrap();
}

#[tokio::test]
async fn edits_take_effect_at_once_and_what_is_broken_stays_as_it_was() {
    let project = Project::new(&[
        ("runner.yaml", "{}\n"),
        (
            "pipelines/one.yaml",
            &dag("one", "* * * * * *", "echo 1 >> one.txt"),
        ),
    ]);
    let root = project.root().to_owned();
    let lines = |name: &str| {
        let text = std::fs::read_to_string(root.join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let daemon = Daemon::start(&project, &[]).await;
    until("the first tick", &project, async || {
        lines("one.txt").len() == 1
    })
    .await;
    // Another definition.
    write(
        &root,
        "one.yaml",
        &dag("one", "* * * * * *", "echo 2 >> one.txt"),
    );
    until("the new definition", &project, async || {
        lines("one.txt").contains(&"2".to_owned())
    })
    .await;
    // A broken one, in the middle of being typed; beside it a new DAG.
    write(&root, "one.yaml", "dag: one\ntasks: [\n");
    until("it is said", &project, async || {
        project.said().contains("keeps its last good definition")
    })
    .await;
    let before = lines("one.txt").len();
    write(
        &root,
        "two.yaml",
        &dag("two", "* * * * * *", "echo 2 >> two.txt"),
    );
    until("both run", &project, async || {
        lines("one.txt").len() > before + 1 && lines("two.txt").len() > 1
    })
    .await;
    // An SQL file is part of a DAG, and so is a file that is moved away.
    std::fs::rename(root.join("pipelines/two.yaml"), root.join("two.yaml")).unwrap();
    until("it is gone", &project, async || {
        project.said().contains("is gone")
    })
    .await;
    write(
        &root,
        "one.yaml",
        &dag("one", "* * * * * *", "echo 3 >> one.txt"),
    );
    until("it is mended", &project, async || {
        project.said().contains("all mistakes are mended")
            && lines("one.txt").contains(&"3".to_owned())
    })
    .await;
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
    // No edit lost a tick or ran one twice.
    let ticks = "SELECT CAST(count(*) AS TEXT), CAST(count(DISTINCT logical_time) AS TEXT), \
                 CAST((max(logical_time) - min(logical_time)) / 1000000 + 1 AS TEXT) FROM run WHERE dag = 'one'";
    let found = state(&project, ticks).await;
    let numbers: Vec<i64> = found[0].iter().map(|cell| cell.parse().unwrap()).collect();
    assert_eq!(numbers[0], numbers[1], "{numbers:?}");
    let skipped = "SELECT coalesce(sum(count), 0) FROM skipped WHERE dag = 'one'";
    let skipped = number(&project, skipped).await;
    assert_eq!(numbers[0] + skipped, numbers[2], "{numbers:?} {skipped}");
}

#[tokio::test]
async fn an_edit_never_changes_a_run_in_flight() {
    let project = Project::new(&[
        ("runner.yaml", "{}\n"),
        (
            "pipelines/two.yaml",
            "dag: two\nschedule: { cron: '* * * * * *', overlap: queue }\ntasks:\n  a: { shell: 'cat gate' }\n  \
             b: { needs: a, shell: 'echo old >> said.txt' }\n",
        ),
    ]);
    let gate = project.root().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let daemon = Daemon::start(&project, &[]).await;
    until_at_work(&project, 1).await;
    write(
        project.root(),
        "two.yaml",
        "dag: two\nschedule: '@yearly'\ntasks:\n  a: { shell: 'cat gate' }\n  b: { needs: a, shell: 'echo new >> said.txt' }\n",
    );
    until("it is read", &project, async || {
        project.said().contains("has changed")
    })
    .await;
    // What opens the gate lets the script's `cat` end.
    let opened = tokio::task::spawn_blocking(move || std::fs::write(gate, "go\n"));
    until("it has ended", &project, async || {
        number(&project, "SELECT count(*) FROM run WHERE state = 'success'").await >= 1
    })
    .await;
    opened.await.unwrap().unwrap();
    daemon.end(&project, Signal::SIGTERM).await;
    let said = std::fs::read_to_string(project.root().join("said.txt")).unwrap();
    assert!(said.starts_with("old\n"), "{said}");
}
