//! Copies into files that are there already, one or many, in a folder and in an object store.

use std::collections::BTreeMap;
use std::io::Write as _;

use runner::model::ConnectionId;
use serde_json::{Value as Json, json};

use super::{failure, kind, run};
use crate::support::attempt::Attempt;
use crate::support::connections::{connection, places};
use crate::support::s3::S3;

/// A project with the connection `lake`.
struct Scene {
    attempt: Attempt,
    server: Option<S3>,
}

impl Scene {
    fn all() -> Vec<Self> {
        let server = S3::start();
        let yaml = server.connection("s3://things/x");
        vec![
            Self::new("bucket: lake/", None),
            Self::new(&yaml, Some(server)),
        ]
    }

    fn new(yaml: &str, server: Option<S3>) -> Self {
        let mut attempt = Attempt::new();
        let made = connection("lake", yaml, &places(attempt.folder()));
        let name = ConnectionId::new("lake").unwrap();
        attempt.connections.insert(name, made);
        Self { attempt, server }
    }

    fn file(self, path: &str, content: &str) -> Self {
        Self {
            attempt: self.attempt.file(path, content),
            server: self.server,
        }
    }

    /// All files of the bucket, but the program's own.
    fn files(&self) -> BTreeMap<String, String> {
        let Some(server) = &self.server else {
            let root = self.attempt.folder().join("lake");
            let mut files = BTreeMap::new();
            let mut folders = vec![root.clone()];
            while let Some(folder) = folders.pop() {
                for entry in std::fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                    if path.is_dir() {
                        folders.push(path);
                    } else if path.extension().is_none_or(|end| end != "loads") {
                        files.insert(name.to_owned(), std::fs::read_to_string(&path).unwrap());
                    }
                }
            }
            return files;
        };
        let text = |key: String| {
            let text = String::from_utf8(server.get(&key).unwrap()).unwrap();
            (key.strip_prefix("things/x/").unwrap().to_owned(), text)
        };
        server.keys().into_iter().map(text).collect()
    }

    #[track_caller]
    fn check(&self, expected: &[(&str, &str)]) {
        let expected: BTreeMap<String, String> = expected
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        assert_eq!(self.files(), expected);
    }
}

const TICKS: &str = "at,book,bid
2026-08-20T22:59:59Z,btc_mxn,1.10
2026-08-20T23:00:00.000Z,btc_mxn,1.20
2026-08-21 00:00:00+00,usd_mxn,17.62
2026-08-21T01:30:00+02:00,btc_mxn,1.30
2026-08-20T23:59:59.999Z,usd_mxn,\"17,63\"
";
const HOURLY: &str =
    "ticks/day={{ at | date('%d') }}/hour={{ at | date('%H') }}/book={{ book }}/data.csv";

#[tokio::test]
async fn records_are_parted_by_their_values() {
    for scene in Scene::all() {
        let scene = scene.file("in.csv", TICKS);
        let copy =
            json!({ "from": { "file": "in.csv" }, "to": { "connection": "lake", "file": HOURLY } });
        let output = run(&scene.attempt, &copy).await.unwrap();
        assert_eq!(
            (&output.outputs["rows"], &output.outputs["files"]),
            (&json!(5), &json!(4))
        );
        scene.check(&[
            (
                "ticks/day=20/hour=22/book=btc_mxn/data.csv",
                "at,book,bid\n2026-08-20T22:59:59Z,btc_mxn,1.10\n",
            ),
            (
                "ticks/day=20/hour=23/book=btc_mxn/data.csv",
                "at,book,bid\n2026-08-20T23:00:00.000Z,btc_mxn,1.20\n2026-08-21T01:30:00+02:00,btc_mxn,1.30\n",
            ),
            (
                "ticks/day=20/hour=23/book=usd_mxn/data.csv",
                "at,book,bid\n2026-08-20T23:59:59.999Z,usd_mxn,\"17,63\"\n",
            ),
            (
                "ticks/day=21/hour=00/book=usd_mxn/data.csv",
                "at,book,bid\n2026-08-21 00:00:00+00,usd_mxn,17.62\n",
            ),
        ]);
    }
}

#[tokio::test]
async fn modes_say_how_records_meet_a_file() {
    let first = "k,v\na,1\nb,2\nc,3\n";
    let second = "k,v\nb,20\nd,40\n";
    for (mode, expected) in [
        (
            json!({}),
            ["k,v\na,1\n", "k,v\nb,20\n", "k,v\nc,3\n", "k,v\nd,40\n"],
        ),
        (
            json!({ "mode": "append" }),
            [
                "k,v\na,1\n",
                "k,v\nb,2\nb,20\n",
                "k,v\nc,3\n",
                "k,v\nd,40\n",
            ],
        ),
        (
            json!({ "mode": "upsert", "key": "k" }),
            ["k,v\na,1\n", "k,v\nb,20\n", "k,v\nc,3\n", "k,v\nd,40\n"],
        ),
    ] {
        for scene in Scene::all() {
            let mut scene = scene.file("1.csv", first).file("2.csv", second);
            for (generation, file) in [(0, "1.csv"), (1, "2.csv"), (1, "2.csv")] {
                // The last is another attempt of the one before.
                let mut to = json!({ "connection": "lake", "file": "{{ k }}.csv" });
                to.as_object_mut()
                    .unwrap()
                    .extend(mode.as_object().unwrap().clone());
                scene.attempt.id.generation = generation;
                run(
                    &scene.attempt,
                    &json!({ "from": { "file": file }, "to": to }),
                )
                .await
                .unwrap();
            }
            let [a, b, c, d] = expected;
            scene.check(&[("a.csv", a), ("b.csv", b), ("c.csv", c), ("d.csv", d)]);
        }
    }
}

#[tokio::test]
async fn one_file_is_gone_on_with() {
    for scene in Scene::all() {
        let mut scene = scene.file(
            "in.ndjson",
            "{\"k\":\"a\",\"n\":1.50}\n{\"k\":\"b\",\"n\":2}\n",
        );
        for (generation, value) in [(0, "n"), (1, "n"), (2, "{{ n * 10 }}")] {
            scene.attempt.id.generation = generation;
            let copy = json!({
                "from": { "file": "in.ndjson" },
                "to": { "connection": "lake", "file": "out.ndjson", "mode": "upsert", "key": ["k"] },
                "columns": { "k": "k", "n": value },
            });
            let output = run(&scene.attempt, &copy).await.unwrap();
            let expected = if generation == 0 { (2, 0) } else { (0, 2) };
            let count = |name: &str| output.outputs[name].as_u64().unwrap();
            assert_eq!((count("added"), count("replaced")), expected);
        }
        scene.check(&[(
            "out.ndjson",
            "{\"k\":\"a\",\"n\":15}\n{\"k\":\"b\",\"n\":20}\n",
        )]);
    }
}

#[tokio::test]
async fn values_cannot_leave_their_folder() {
    for scene in Scene::all() {
        let lines = [
            json!({ "k": "../../up", "n": 1 }),
            json!({ "k": "/etc/x", "n": 2 }),
            json!({ "k": "", "n": 3 }),
            json!({ "k": null, "n": 4 }),
            json!({ "k": "a\u{0}b", "n": 5 }),
            json!({ "k": "..", "n": 6 }),
        ];
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let scene = scene.file("in.ndjson", &text);
        let copy = json!({
            "from": { "file": "in.ndjson" },
            "to": { "connection": "lake", "file": "in/{{ k }}/x.csv" },
            "columns": ["k", "n"],
            "where": "n not in [5]",
        });
        run(&scene.attempt, &copy).await.unwrap();
        let files = scene.files();
        let paths: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            [
                "in/%2E.%2F..%2Fup/x.csv",
                "in/%2E./x.csv",
                "in/%2Fetc%2Fx/x.csv",
                "in/__HIVE_DEFAULT_PARTITION__/x.csv",
            ]
        );
        assert_eq!(
            files["in/__HIVE_DEFAULT_PARTITION__/x.csv"],
            "k,n\n\"\",3\n,4\n"
        );
    }
}

#[tokio::test]
async fn files_of_a_bucket_are_read_as_one() {
    for scene in Scene::all() {
        let scene = scene
            .file("a.csv", "k,v\na,1\n")
            .file("b.csv", "k,v\nb,2\n");
        for name in ["a", "b"] {
            let copy = json!({
                "from": { "file": format!("{name}.csv") },
                "to": { "connection": "lake", "file": format!("raw/{name}.csv.gz") },
            });
            run(&scene.attempt, &copy).await.unwrap();
        }
        let copy = json!({
            "from": { "connection": "lake", "file": "raw/*.csv.gz" },
            "to": { "file": "out.csv" },
        });
        run(&scene.attempt, &copy).await.unwrap();
        assert_eq!(super::read(&scene.attempt, "out.csv"), "k,v\na,1\nb,2\n");
        let missing = json!({ "from": { "connection": "lake", "file": "none/*.csv" }, "to": { "file": "x.csv" } });
        assert_eq!(
            failure(&scene.attempt, &missing).await,
            "no file matches `none/*.csv`"
        );
        let copy = json!({ "from": { "connection": "lake", "file": "none.csv" }, "to": { "file": "x.csv" } });
        assert_eq!(
            failure(&scene.attempt, &copy).await,
            "no file matches `none.csv`"
        );
    }
}

#[tokio::test]
async fn a_record_without_a_file_is_a_reject() {
    for scene in Scene::all() {
        let scene = scene.file("in.csv", "at,n\n2026-08-20,1\nnonsense,2\n2026-08-21,3\n");
        let to = json!({ "connection": "lake", "file": "{{ at | date('%d') }}.csv" });
        let copy = json!({ "from": { "file": "in.csv" }, "to": to });
        let message = failure(&scene.attempt, &copy).await;
        assert_eq!(
            message,
            "in.csv:3: `file`: `nonsense` is no time: expected `2026-08-20T00:00:00Z` or `2026-08-20`"
        );
        let copy = json!({ "from": { "file": "in.csv" }, "to": to, "on_error": "skip", "rejects": "bad.csv" });
        let output = run(&scene.attempt, &copy).await.unwrap();
        assert_eq!(
            (&output.outputs["rows"], &output.outputs["rejected"]),
            (&json!(2), &json!(1))
        );
        assert!(
            super::read(&scene.attempt, "bad.csv")
                .contains("in.csv,3,,,`file`: `nonsense` is no time")
        );
        scene.check(&[
            ("20.csv", "at,n\n2026-08-20,1\n"),
            ("21.csv", "at,n\n2026-08-21,3\n"),
        ]);
    }
}

#[tokio::test]
async fn mistakes_of_the_records_are_named() {
    let scene = Scene::new("bucket: lake/", None).file("in.csv", "book,n\na,1\n");
    for (to, expected) in [
        (
            json!({ "file": "{{ boook }}.csv" }),
            "the records have no `boook`: did you mean `book`?",
        ),
        (
            json!({ "file": "x.csv", "mode": "upsert", "key": "m" }),
            "`key`: the records have no `m`: did you mean `n`?",
        ),
    ] {
        let copy = json!({ "from": { "file": "in.csv" }, "to": to });
        assert_eq!(failure(&scene.attempt, &copy).await, expected);
    }
    let scene = scene.file("lake/x.csv", "other,n\na,1\n");
    let copy = json!({ "from": { "file": "in.csv" }, "to": { "connection": "lake", "file": "x.csv", "mode": "append" } });
    assert_eq!(
        failure(&scene.attempt, &copy).await,
        "lake/x.csv:1: the columns of the file are `other`, `n`, those of the records `book`, `n`: give them the same with `columns:`, or write another file"
    );
}

#[tokio::test]
async fn many_files_need_little_of_everything() {
    let scene = Scene::new("bucket: lake/", None);
    let path = scene.attempt.folder().join("in.csv");
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(file, "n,k,text").unwrap();
    let text = "x".repeat(90);
    for n in 0..300_000 {
        writeln!(file, "{n},{},{text}", n % 3001 * 7 % 3000).unwrap();
    }
    file.flush().unwrap();
    let copy = json!({ "from": { "file": "in.csv" }, "to": { "connection": "lake", "file": "{{ k }}.csv" } });
    let output = run(&scene.attempt, &copy).await.unwrap();
    assert_eq!(output.outputs["files"], json!(3000));
    let mut rows = 0;
    for (path, text) in scene.files() {
        let key = path.strip_suffix(".csv").unwrap();
        for line in text.lines().skip(1) {
            assert_eq!(line.split(',').nth(1), Some(key));
            rows += 1;
        }
    }
    assert_eq!(rows, 300_000);
}

#[test]
fn mistakes_are_found_before_a_run() {
    let scene = Scene::new("bucket: lake/", None).file("in.csv", "a,b\n1,2\n");
    let found = |to: Json| {
        let copy =
            json!({ "from": { "file": "in.csv" }, "to": to, "columns": { "book": "a", "n": "b" } });
        scene.attempt.parse(kind(), &copy).messages()
    };
    for (to, expected) in [
        (
            json!({ "file": "{{ boook }}.csv" }),
            "the records have no column `boook`",
        ),
        (
            json!({ "file": "{{ parms.day }}.csv" }),
            "`parms` doesn't exist here",
        ),
        (
            json!({ "file": "x.csv", "mode": "upsert" }),
            "`mode: upsert` needs `key`",
        ),
        (
            json!({ "file": "x.csv", "mode": "append", "key": "n" }),
            "`key` has no meaning with `mode: append`",
        ),
        (
            json!({ "file": "x.csv", "every": "1s" }),
            "`every` has no meaning without `mode: upsert`",
        ),
        (
            json!({ "connection": "lake", "file": "../x.csv" }),
            "`../x.csv` leads out of the bucket",
        ),
        (
            json!({ "connection": "lake", "table": "t" }),
            "unknown key `table`",
        ),
        (
            json!({ "file": "x.csv", "mode": "insert_new" }),
            "unknown mode `insert_new`",
        ),
    ] {
        let messages = found(to.clone());
        assert!(messages.contains(expected), "{to}: {messages}");
    }
}
