//! Files that start runs: each one, once, whatever happens to the daemon.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use runner::failpoint::Point;

use super::{Daemon, number, until};
use crate::kill::project::{Project, code};
use crate::kill::truth::{sqlite, state};
use crate::support::s3::S3;

/// The DAG writes down what it was started for.
fn dag(keys: &str, pattern: &str) -> String {
    format!(
        "dag: files\n\
         trigger: {{ file: '{pattern}', settle: 20ms }}\n\
         {keys}\
         tasks:\n\
         \x20 note: {{ shell: {{ script: 'echo \"$P\" >> noted.txt', env: {{ P: '{{{{ run.firing.path }}}}' }} }} }}\n"
    )
}

fn project(keys: &str) -> Project {
    let project = Project::new(&[
        ("runner.yaml", "{}\n"),
        ("pipelines/files.yaml", &dag(keys, "inbox/*.csv")),
    ]);
    std::fs::create_dir(project.root().join("inbox")).unwrap();
    project
}

/// Makes a file of a sort that is complete from its first moment.
fn put(project: &Project, name: &str, text: &str) {
    let root = project.root();
    std::fs::write(root.join("part"), text).unwrap();
    std::fs::rename(root.join("part"), root.join(name)).unwrap();
}

fn noted(root: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(root.join("noted.txt")).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

async fn noted_so_far(project: &Project, expected: &[&str]) {
    until(&format!("{expected:?}"), project, async || {
        noted(project.root()) == expected
    })
    .await;
}

/// No more has been noted by the time that a later file is.
async fn nothing_more(project: &Project, name: &str) {
    let before = noted(project.root());
    put(project, &format!("inbox/{name}"), "last");
    until(name, project, async || {
        noted(project.root()).contains(&format!("inbox/{name}"))
    })
    .await;
    let mut expected = before;
    expected.push(format!("inbox/{name}"));
    expected.sort();
    assert_eq!(noted(project.root()), expected, "{}", project.said());
}

#[tokio::test]
async fn a_file_starts_one_run_when_it_comes_and_when_it_changes() {
    let project = project("");
    put(&project, "inbox/a.csv", "a");
    put(&project, "inbox/.hidden.csv", "a");
    put(&project, "inbox/a.txt", "a");
    let daemon = Daemon::start(&project, &[]).await;
    noted_so_far(&project, &["inbox/a.csv"]).await;
    put(&project, "inbox/b.csv", "b");
    noted_so_far(&project, &["inbox/a.csv", "inbox/b.csv"]).await;
    put(&project, "inbox/a.csv", "something else");
    let three = ["inbox/a.csv", "inbox/a.csv", "inbox/b.csv"];
    noted_so_far(&project, &three).await;
    // Another daemon sees them all again.
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
    let daemon = Daemon::start(&project, &[]).await;
    nothing_more(&project, "c.csv").await;
    // What is gone is forgotten.
    std::fs::remove_file(project.root().join("inbox/b.csv")).unwrap();
    until("it is forgotten", &project, async || {
        number(&project, "SELECT count(*) FROM thing").await == 2
    })
    .await;
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
}

#[tokio::test]
async fn an_edit_looks_for_other_files_and_starts_nothing_twice() {
    let project = project("");
    let daemon = Daemon::start(&project, &[]).await;
    put(&project, "inbox/a.csv", "a");
    noted_so_far(&project, &["inbox/a.csv"]).await;
    let edit = |pattern: &str| {
        let path = project.root().join("pipelines/files.yaml");
        std::fs::write(path, dag("", pattern)).unwrap();
    };
    put(&project, "inbox/b.json", "b");
    edit("inbox/*.json");
    noted_so_far(&project, &["inbox/a.csv", "inbox/b.json"]).await;
    edit("inbox/*");
    nothing_more(&project, "c.csv").await;
    // A folder that isn't there is waited for.
    edit("later/in/*.csv");
    until("it is said", &project, async || {
        project.said().contains("folder `later/in` doesn't exist")
    })
    .await;
    std::fs::create_dir_all(project.root().join("later/in")).unwrap();
    put(&project, "later/in/d.csv", "d");
    until("it is found", &project, async || {
        noted(project.root()).contains(&"later/in/d.csv".to_owned())
    })
    .await;
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
    let said = project.said();
    assert!(
        said.contains("looks for a file later/in/*.csv again"),
        "{said}"
    );
    assert_eq!(noted(project.root()).len(), 4, "{said}");
}

#[tokio::test]
async fn a_pause_keeps_files_waiting() {
    let project = project("");
    let daemon = Daemon::start(&project, &[]).await;
    assert_eq!(project.run(&["pause", "files"]).await, 0);
    until("it is paused", &project, async || {
        project.said().contains("is paused")
    })
    .await;
    put(&project, "inbox/a.csv", "a");
    // It is seen, and nothing comes of it, while another daemon takes over.
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
    assert_eq!(project.run(&["schedule", "--once"]).await, 0);
    assert_eq!(number(&project, "SELECT count(*) FROM run").await, 0);
    let daemon = Daemon::start(&project, &[]).await;
    assert_eq!(project.run(&["unpause", "files"]).await, 0);
    noted_so_far(&project, &["inbox/a.csv"]).await;
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
}

#[tokio::test]
async fn many_files_at_once_have_a_run_each_or_one_together() {
    const FILES: usize = 300;
    let project = project("overlap: allow\nmax_runs: 8\n");
    let names: Vec<String> = (0..FILES).map(|at| format!("inbox/{at:03}.csv")).collect();
    for name in &names {
        put(&project, name, name);
    }
    assert_eq!(
        project.run(&["schedule", "--once"]).await,
        0,
        "{}",
        project.said()
    );
    assert_eq!(noted(project.root()), names);

    let together = "dag: together\n\
        trigger: { file: 'inbox/*.csv', settle: 0s, batch: 200 }\n\
        tasks:\n\
        \x20 note: { shell: { script: 'echo $N >> together.txt', env: { N: '{{ run.firing.files | length }}' } } }\n";
    std::fs::write(project.root().join("pipelines/together.yaml"), together).unwrap();
    assert_eq!(
        project.run(&["schedule", "--once"]).await,
        0,
        "{}",
        project.said()
    );
    let counts = std::fs::read_to_string(project.root().join("together.txt")).unwrap();
    assert_eq!(counts, "200\n100\n");
    assert_eq!(noted(project.root()), names);
}

#[tokio::test]
async fn a_bucket_is_listed_now_and_then() {
    let inbox = dag("", "raw/*.csv").replace("settle", "connection: lake, every: 1s, settle");
    let project = Project::new(&[
        ("runner.yaml", "connections: { lake: { bucket: lake/ } }\n"),
        ("pipelines/files.yaml", &inbox),
        ("lake/raw/a.csv", "a"),
    ]);
    let daemon = Daemon::start(&project, &[]).await;
    noted_so_far(&project, &["raw/a.csv"]).await;
    put(&project, "lake/raw/b.csv", "b");
    noted_so_far(&project, &["raw/a.csv", "raw/b.csv"]).await;
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
}

#[tokio::test]
async fn an_object_store_is_listed_now_and_then() {
    let server = S3::start();
    let settings = format!(
        "connections: {{ lake: {{ {} }} }}\n",
        server.connection("s3://things/in")
    );
    let inbox = dag("", "raw/*.csv").replace("settle", "connection: lake, every: 1s, settle");
    let project = Project::new(&[("runner.yaml", &settings), ("pipelines/files.yaml", &inbox)]);
    // More than the server gives at a time.
    for name in ["a.csv", "b.csv", "c.csv", "c.txt", "d.csv", "more/e.csv"] {
        server.put(&format!("things/in/raw/{name}"), name);
    }
    let daemon = Daemon::start(&project, &[]).await;
    let first = ["raw/a.csv", "raw/b.csv", "raw/c.csv", "raw/d.csv"];
    noted_so_far(&project, &first).await;
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
    // What came or changed while nobody looked starts a run, and what was there doesn't.
    server.put("things/in/raw/b.csv", "another");
    server.put("things/in/raw/f.csv", "f");
    let daemon = Daemon::start(&project, &[]).await;
    let mut all = [&first[..], &["raw/b.csv", "raw/f.csv"]].concat();
    all.sort_unstable();
    noted_so_far(&project, &all).await;
    assert_eq!(daemon.end(&project, Signal::SIGTERM).await.0, 0);
}

#[tokio::test]
async fn the_example_loads_the_files_that_come() {
    let kind = runner::trigger::KINDS
        .iter()
        .find(|kind| kind.name == "file");
    let example = kind.unwrap().example.replace("settle: 10s", "settle: 0s");
    let project = Project::new(&[
        (
            "runner.yaml",
            "connections: { warehouse: { sqlite: orders.db } }\n",
        ),
        ("pipelines/example.yaml", &example),
        ("inbox/a.csv", "id,country\n1,DE\n2,FR\n"),
        ("inbox/b.csv", "id,country\n3,AT\n"),
    ]);
    let orders = project.root().join("orders.db");
    sqlite(&orders, "CREATE TABLE orders (id INTEGER, country TEXT)").await;
    for _ in 0..2 {
        assert_eq!(
            project.run(&["schedule", "--once"]).await,
            0,
            "{}",
            project.said()
        );
        let query = "SELECT CAST(id AS TEXT), country FROM orders ORDER BY id";
        let rows = sqlite(&orders, query).await;
        assert_eq!(rows, [["1", "DE"], ["2", "FR"], ["3", "AT"]]);
    }
}

/// The files that runs were started for, each with how often.
async fn started(project: &Project) -> Vec<Vec<String>> {
    let query = "SELECT substr(trigger_source, 1, instr(trigger_source, char(10)) - 1), \
                 CAST(count(*) AS TEXT) FROM run GROUP BY 1 ORDER BY 1";
    state(project, query).await
}

#[tokio::test]
async fn killed_around_every_write_each_file_has_one_run() {
    let project =
        project("overlap: allow\nmax_runs: 3\ndefaults: { retries: 9, retry: { delay: 1ms } }\n");
    let mut expected: Vec<PathBuf> = Vec::new();
    for passage in 1..=10 {
        for point in [Point::BeforeStoreWrite, Point::AfterStoreWrite] {
            for part in 0..2 {
                let name = format!("inbox/{passage:02}-{}-{part}.csv", point.name());
                put(&project, &name, &name);
                expected.push(name.into());
            }
            let mut command = project.command(&["schedule"]);
            command.env("RUNNER_FAILPOINT", format!("{}:{passage}", point.name()));
            let mut child = command.spawn().unwrap();
            let code = code(project.end_of(&mut child).await);
            assert_eq!(code, 137, "{}", project.said());
        }
    }
    assert_eq!(
        project.run(&["schedule", "--once"]).await,
        0,
        "{}",
        project.said()
    );
    expected.sort();
    let expected: Vec<Vec<String>> = expected
        .iter()
        .map(|name| vec![format!("file {}", name.display()), "1".to_owned()])
        .collect();
    assert_eq!(started(&project).await, expected, "{}", project.said());
    let open = "SELECT count(*) FROM run WHERE state <> 'success'";
    assert_eq!(number(&project, open).await, 0, "{}", project.said());
}
