//! Killed directly before and after each file of a folder or of an object store gets its name.

use std::fs;

use runner::failpoint::Point;

use super::project::{Project, code};
use crate::support::s3::S3;

const PIPELINE: &str = r#"
dag: lake
defaults: { retries: 20, retry: { delay: 1ms } }
tasks:
  appended:
    copy: { from: { file: in.csv }, to: { connection: lake, file: "appended/p={{ p }}/data.csv", mode: append } }
  merged:
    copy: { from: { file: in.csv }, to: { connection: lake, file: "merged/p={{ p }}/data.csv", mode: upsert, key: n } }
  anew:
    needs: [appended, merged]
    copy: { from: { file: in.csv }, to: { connection: lake, file: "anew/p={{ p }}/data.csv.gz" } }
  one:
    needs: anew
    copy: { from: { connection: lake, file: "anew/**/*.csv.gz" }, to: { connection: lake, file: one.ndjson } }
"#;

const FILES: usize = 3;

/// The text of a file of the bucket.
type Look<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

async fn every_point(settings: String, look: Look<'_>) {
    let rows: String = (0..12).map(|n| format!("{n},{}\n", n % FILES)).collect();
    let project = Project::new(&[
        ("runner.yaml", &settings),
        ("pipelines/lake.yaml", PIPELINE),
        ("in.csv", &format!("n,p\n{rows}")),
    ]);
    let (mut runs, mut kills) = (0, 0);
    for point in [Point::BeforeRename, Point::AfterRename] {
        for passage in 1.. {
            let killed = run(&project, &["trigger", "lake"], point, passage).await;
            runs += 1;
            let mut again = 1;
            // What goes on is killed, too.
            while killed && again < 3 && run(&project, &["resume"], point, again).await {
                again += 1;
            }
            let code = project.run(&["resume"]).await;
            assert_eq!(code, 0, "{point:?} {passage}\n{}", project.said());
            check(look, runs, &format!("{point:?} {passage}"));
            if !killed {
                break;
            }
            kills += again;
        }
    }
    assert!(kills > 20, "{kills}");
    assert_eq!(project.litter(), Vec::<std::path::PathBuf>::new());
}

async fn run(project: &Project, arguments: &[&str], point: Point, passage: usize) -> bool {
    let mut command = project.command(arguments);
    command.env("RUNNER_FAILPOINT", format!("{}:{passage}", point.name()));
    let mut child = command.spawn().unwrap();
    match code(project.end_of(&mut child).await) {
        0 => false,
        137 => true,
        other => panic!("{point:?} {passage}: {other}\n{}", project.said()),
    }
}

fn check(look: Look<'_>, runs: usize, at: &str) {
    let text = |path: &str| String::from_utf8(look(path).expect(path)).unwrap();
    for p in 0..FILES {
        let own: Vec<String> = (0..12)
            .filter(|n| n % FILES == p)
            .map(|n| format!("{n},{p}"))
            .collect();
        let once = own.join("\n");
        let merged = text(&format!("merged/p={p}/data.csv"));
        assert_eq!(merged, format!("n,p\n{once}\n"), "{at}");
        let appended = text(&format!("appended/p={p}/data.csv"));
        let every = vec![once; runs].join("\n");
        assert_eq!(appended, format!("n,p\n{every}\n"), "{at}");
    }
    assert_eq!(text("one.ndjson").lines().count(), 12, "{at}");
}

#[tokio::test]
async fn a_folder_holds_each_record_once() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    let settings = format!(
        "connections: {{ lake: {{ bucket: \"file://{}\" }} }}\n",
        lake.display()
    );
    every_point(settings, &|path| fs::read(lake.join(path)).ok()).await;
    let mut hidden = Vec::new();
    let mut folders = vec![lake];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.starts_with('.') && path.extension().is_none_or(|end| end != "loads") {
                hidden.push(path);
            }
        }
    }
    assert_eq!(hidden, Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn an_object_store_holds_each_record_once() {
    let server = S3::start();
    let settings = format!(
        "connections: {{ lake: {{ {} }} }}\n",
        server.connection("s3://things")
    );
    every_point(settings, &|path| server.get(&format!("things/{path}"))).await;
}
