//! Killed while it removes what is past: the next look finishes it.

use std::fs;

use runner::failpoint::Point;

use super::project::{Project, code};
use super::truth::{sqlite, state};

const SETTINGS: &str = "connections: { notes: { sqlite: notes.db } }\n";
const LOAD: &str = r#"
dag: load
tasks:
  in: { copy: { from: { file: in.csv } } }
  table: { needs: in, copy: { from: { dataset: in }, to: { connection: notes, table: word } } }
  say: { needs: table, shell: "echo done" }
"#;

async fn kill(point: Point, passage: usize) -> bool {
    let project = Project::new(&[
        ("runner.yaml", SETTINGS),
        ("pipelines/load.yaml", LOAD),
        ("in.csv", "word\na\nb\n"),
    ]);
    sqlite(
        &project.root().join("notes.db"),
        "CREATE TABLE word (word text)",
    )
    .await;
    for _ in 0..3 {
        let ended = project.run(&["trigger", "load"]).await;
        assert_eq!(ended, 0, "{}", project.said());
    }
    let settings = format!("{SETTINGS}retention: {{ runs: {{ count: 1 }} }}\n");
    fs::write(project.root().join("runner.yaml"), settings).unwrap();
    let mut command = project.command(&["gc"]);
    command.env("RUNNER_FAILPOINT", format!("{}:{passage}", point.name()));
    let ended = code(project.end_of(&mut command.spawn().unwrap()).await);
    assert!(ended == 0 || ended == 137, "{ended}: {}", project.said());
    assert_eq!(project.run(&["gc"]).await, 0, "{}", project.said());
    let at = format!("{point:?} {passage}");
    let runs = state(&project, "SELECT id FROM run").await.concat();
    assert_eq!(runs.len(), 1, "{at}");
    for folder in ["logs", "data"] {
        let names = fs::read_dir(project.state().join(folder)).unwrap();
        let names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names, runs, "{at}: {folder}");
    }
    for table in ["task_run", "attempt"] {
        let text = format!("SELECT DISTINCT run FROM {table}");
        assert_eq!(state(&project, &text).await.concat(), runs, "{at}: {table}");
    }
    let removed = state(&project, "SELECT run FROM removed").await;
    assert!(removed.is_empty(), "{at}: {removed:?}");
    let notes = project.root().join("notes.db");
    let loads = sqlite(&notes, "SELECT run FROM _runner_load_ledger").await;
    assert_eq!(loads.concat(), runs, "{at}: what the database knows");
    assert_eq!(
        sqlite(&notes, "SELECT word FROM word").await.len(),
        6,
        "{at}"
    );
    ended == 137
}

#[tokio::test]
async fn a_killed_look_is_finished_by_the_next() {
    for point in [Point::BeforeStoreWrite, Point::AfterStoreWrite] {
        let mut kills = 0;
        while kill(point, kills + 1).await {
            kills += 1;
        }
        // The runs are removed, the skipped ticks, and then the runs are forgotten.
        assert_eq!(kills, 3, "{point:?}");
    }
}
