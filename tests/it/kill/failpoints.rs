//! Killed directly before and after everything that is durable, one point after the other.

use std::fs;

use runner::failpoint::Point;

use super::project::{Project, code};
use super::truth::{Database, database, state};

const SETTINGS: &str =
    "connections: { warehouse: { postgres: embedded }, notes: { sqlite: notes.db } }\n";

const PIPELINE: &str = r#"
dag: small
defaults: { retries: 20, retry: { delay: 1ms } }
tasks:
  script:
    shell: 'echo n=7 >> "$RUNNER_OUTPUTS"'
  second_time:
    shell: 'test "$RUNNER_ATTEMPT" -gt 1'
  items:
    needs: script
    foreach: [a, b, c]
    sql: { connection: warehouse, script: "insert into item select {{ run.id }}, {{ item }}, {{ tasks.script.outputs.n }}::text" }
  noted:
    needs: script
    sql: { connection: notes, script: "insert into note values ({{ run.id }})" }
  table:
    needs: second_time
    copy: { from: { file: in.csv }, to: { connection: warehouse, table: loaded } }
  kept:
    needs: table
    copy: { from: { connection: warehouse, query: "select word from loaded group by word order by word" } }
  file:
    needs: [kept, items, noted]
    copy: { from: { dataset: kept }, to: { file: out/words.csv } }
"#;

const ROWS: usize = 50;

struct Scene {
    project: Project,
    /// The server stays up from kill to kill.
    database: Database,
    runs: usize,
    kills: usize,
}

impl Scene {
    async fn new() -> Self {
        let rows: String = (0..ROWS).map(|row| format!("w{row}\n")).collect();
        let project = Project::with_server(&[
            ("runner.yaml", SETTINGS),
            ("pipelines/small.yaml", PIPELINE),
            ("in.csv", &format!("word\n{rows}")),
        ])
        .await;
        let mut database = database(&project, "warehouse").await;
        database
            .execute(
                "CREATE TABLE item (run text, item text, n text); CREATE TABLE loaded (word text)",
            )
            .await;
        super::truth::sqlite(
            &project.root().join("notes.db"),
            "CREATE TABLE note (run text)",
        )
        .await;
        Self {
            project,
            database,
            runs: 0,
            kills: 0,
        }
    }

    /// Runs the program until it ends or is killed at a point; says whether it was killed.
    async fn run(&mut self, arguments: &[&str], point: Point, passage: usize) -> bool {
        let mut command = self.project.command(arguments);
        command.env("RUNNER_FAILPOINT", format!("{}:{passage}", point.name()));
        let mut child = command.spawn().unwrap();
        match code(self.project.end_of(&mut child).await) {
            0 => false,
            137 => {
                self.kills += 1;
                true
            }
            other => panic!("{point:?} {passage}: {other}\n{}", self.project.said()),
        }
    }

    /// Kills a run at the n-th passage of a point, and what goes on with it at the next ones.
    /// `false`: the run doesn't pass the point so often.
    async fn kill(&mut self, point: Point, passage: usize) -> bool {
        let killed = self.run(&["trigger", "small"], point, passage).await;
        let mut again = 1;
        // A kill before the first write leaves no run, and nothing to go on with.
        while killed && again < 4 && self.run(&["resume"], point, again).await {
            again += 1;
        }
        let code = self.project.run(&["resume"]).await;
        assert_eq!(code, 0, "{point:?} {passage}\n{}", self.project.said());
        self.check(point, passage).await;
        killed
    }

    async fn check(&mut self, point: Point, passage: usize) {
        let at = format!("{point:?} {passage}");
        let found = state(&self.project, "SELECT id, state FROM run").await;
        let runs = found.len();
        assert!(runs == self.runs || runs == self.runs + 1, "{at}: {runs}");
        self.runs = runs;
        assert!(
            found.iter().all(|row| row[1] == "success"),
            "{at}: {found:?}"
        );
        if runs == 0 {
            return;
        }
        let open = "SELECT state FROM task_run WHERE state != 'success'";
        assert!(state(&self.project, open).await.is_empty(), "{at}");
        let once = [
            (
                "SELECT count(*), count(DISTINCT (run, item)) FROM item WHERE n = '7'",
                3,
            ),
            (
                "SELECT count(*), count(DISTINCT word) * (SELECT count(DISTINCT run) FROM item) FROM loaded",
                ROWS,
            ),
            (
                "SELECT count(*), count(DISTINCT (run, task, item)) FROM runner.load_ledger WHERE result IS NOT NULL",
                4,
            ),
        ];
        for (query, each) in once {
            let all = runs * each;
            assert_eq!(
                self.database.csv(query).await,
                format!("{all},{all}\n"),
                "{at}: {query}"
            );
        }
        let file = self.project.root().join("notes.db");
        let noted = super::truth::sqlite(
            &file,
            "SELECT count(*) || '', count(DISTINCT run) || '' FROM note",
        )
        .await;
        assert_eq!(noted, [[runs.to_string(), runs.to_string()]], "{at}");
        let mut words: Vec<String> = (0..ROWS).map(|row| format!("w{row}")).collect();
        words.sort();
        let out = fs::read_to_string(self.project.root().join("out/words.csv")).unwrap();
        let mut found: Vec<&str> = out.lines().skip(1).collect();
        found.sort_unstable();
        assert_eq!(found, words, "{at}");
        assert_eq!(
            self.project.litter(),
            Vec::<std::path::PathBuf>::new(),
            "{at}"
        );
    }
}

#[tokio::test]
async fn every_point_can_be_the_last() {
    let mut scene = Scene::new().await;
    let mut passages = Vec::new();
    for point in Point::ALL {
        let mut passage = 1;
        while scene.kill(point, passage).await {
            passage += 1;
        }
        passages.push((point, passage - 1));
    }
    eprintln!("{} kills, passages: {passages:?}", scene.kills);
    assert!(passages.iter().all(|(_, count)| *count > 0), "{passages:?}");
    drop(scene.database);
}
