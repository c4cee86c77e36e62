//! The task kind `file`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use runner::data::{DatasetReader, RecordSource as _};
use runner::task::{KINDS, TaskKind};
use serde_json::{Value as Json, json};

use crate::support::attempt::Attempt;

fn kind() -> &'static TaskKind {
    KINDS.iter().find(|kind| kind.name == "file").unwrap()
}

fn project() -> Attempt {
    Attempt::new()
        .with("params", json!({ "day": "2020-08-20" }))
        .file("in/a.csv", "a")
        .file("in/b.csv", "bb")
        .file("in/c.txt", "ccc")
}

/// All files of a project but its state, with their texts.
fn files(attempt: &Attempt) -> BTreeMap<String, String> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if name == ".runner" {
                continue;
            }
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                found.insert(name, text);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(attempt.folder(), attempt.folder(), &mut found);
    found
}

/// What is left after a task, a file a line.
fn left(attempt: &Attempt) -> Vec<String> {
    files(attempt)
        .into_iter()
        .map(|(name, text)| format!("{name}={text}"))
        .collect()
}

#[tokio::test]
async fn verbs_do_what_they_say_also_the_second_time() {
    let all = ["in/a.csv=a", "in/b.csv=bb", "in/c.txt=ccc"];
    for (task, expected) in [
        (
            json!({ "copy": { "from": "in/a.csv", "to": "out/x.csv" } }),
            [&all[..], &["out/x.csv=a"]].concat(),
        ),
        (
            json!({ "copy": { "from": "in/*.csv", "to": "out" } }),
            [&all[..], &["out/a.csv=a", "out/b.csv=bb"]].concat(),
        ),
        (
            json!({ "copy": { "from": "in/a.csv", "to": "out/{{ params.day }}/" } }),
            [&all[..], &["out/2020-08-20/a.csv=a"]].concat(),
        ),
        (
            json!({ "move": { "from": "in/a.csv", "to": "done/a.csv" } }),
            vec!["done/a.csv=a", "in/b.csv=bb", "in/c.txt=ccc"],
        ),
        (
            json!({ "move": { "from": "in/*.csv", "to": "done/" } }),
            vec!["done/a.csv=a", "done/b.csv=bb", "in/c.txt=ccc"],
        ),
        (json!({ "delete": "in/*.csv" }), vec!["in/c.txt=ccc"]),
        (json!({ "delete": "in/none" }), all.to_vec()),
        (
            json!({ "write": { "path": "out/t.txt", "text": "{{ params.day }}\n" } }),
            [&all[..], &["out/t.txt=2020-08-20\n"]].concat(),
        ),
    ] {
        let attempt = project();
        for number in 1..=2 {
            let done = attempt.clone().number(number).run(kind(), &task).await;
            assert!(done.is_ok(), "{task} {number}: {done:?}");
            assert_eq!(left(&attempt), expected, "{task} {number}");
        }
    }
}

#[tokio::test]
async fn what_is_packed_comes_back() {
    for (format, extension) in [(Json::Null, "gz"), (json!("zstd"), "zst")] {
        let attempt = project();
        let pack = json!({ "compress": { "from": "in/*.csv", "format": format, "keep": false } });
        let unpack = json!({ "decompress": { "from": format!("in/*.{extension}"), "to": "out/" } });
        attempt.run(kind(), &pack).await.unwrap();
        attempt.clone().number(2).run(kind(), &pack).await.unwrap();
        let names: Vec<String> = files(&attempt).into_keys().collect();
        let packed = [
            format!("in/a.csv.{extension}"),
            format!("in/b.csv.{extension}"),
        ];
        assert_eq!(names, [&packed[..], &["in/c.txt".to_owned()]].concat());
        attempt.run(kind(), &unpack).await.unwrap();
        let found = files(&attempt);
        assert_eq!(
            (found["out/a.csv"].as_str(), found["out/b.csv"].as_str()),
            ("a", "bb")
        );
    }
}

#[tokio::test]
async fn files_are_listed_as_records() {
    let attempt = project();
    let output = attempt
        .run(kind(), &json!({ "list": "in/*.csv" }))
        .await
        .unwrap();
    assert_eq!(output.outputs["files"], 2);
    assert_eq!(output.outputs["bytes"], 3);
    let state = attempt.folder().join(".runner");
    let mut reader = DatasetReader::open(&state, &[output.dataset.unwrap()])
        .await
        .unwrap();
    let batch = reader.next().await.unwrap().unwrap();
    let text = |row, column| String::from_utf8_lossy(batch.cell(row, column).unwrap()).into_owned();
    assert_eq!(
        (text(0, 0), text(0, 1)),
        ("in/a.csv".to_owned(), "1".to_owned())
    );
    assert_eq!(
        (text(1, 0), text(1, 1)),
        ("in/b.csv".to_owned(), "2".to_owned())
    );
    assert!(text(0, 2).parse::<chrono::DateTime<chrono::Utc>>().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_file_is_waited_for_until_it_stops_growing() {
    let attempt = project();
    let task = json!({ "wait_for": { "path": "late/*.csv", "every": "1s" } });
    let waiting = {
        let attempt = attempt.clone();
        tokio::spawn(async move { attempt.run(kind(), &task).await })
    };
    let path = attempt.folder().join("late/x.csv");
    let mut looks = 0;
    while !waiting.is_finished() {
        // The clock goes on by itself when nobody has anything else to do.
        tokio::time::sleep(Duration::from_secs(1)).await;
        looks += 1;
        if looks == 3 {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "whole").unwrap();
        }
    }
    let output = waiting.await.unwrap().unwrap();
    assert_eq!(output.outputs["path"], "late/x.csv");
    assert_eq!(output.outputs["bytes"], 5);
}

#[tokio::test]
async fn waiting_ends_when_it_is_cancelled() {
    let attempt = project();
    attempt.cancel.cancel();
    let failure = attempt
        .run(kind(), &json!({ "wait_for": "never" }))
        .await
        .unwrap_err();
    assert_eq!(&*failure.cause.message, "cancelled");
}

#[tokio::test]
async fn mistakes_are_named() {
    for (task, expected) in [
        (
            json!({ "copy": { "from": "in/z.csv", "to": "x" } }),
            "file `in/z.csv` doesn't exist",
        ),
        (
            json!({ "move": { "from": "in/*.z", "to": "x" } }),
            "no file matches `in/*.z`",
        ),
        (
            json!({ "copy": { "from": "in/*.z", "to": "x" } }),
            "no file matches `in/*.z`",
        ),
        (
            json!({ "copy": { "from": "in/a.csv", "to": "in/a.csv" } }),
            "`in/a.csv` would be copied onto itself",
        ),
        (
            json!({ "move": { "from": "in/z.csv", "to": "x" } }),
            "file `in/z.csv` doesn't exist",
        ),
        (
            json!({ "delete": "in" }),
            "`in` is a folder: use `in/*` for the files in it",
        ),
        (
            json!({ "decompress": { "from": "in/c.txt" } }),
            "the extension of `in/c.txt` doesn't say how it is packed: add `format: gzip` or `format: zstd`",
        ),
    ] {
        let failure = project().run(kind(), &task).await.unwrap_err();
        assert_eq!(&*failure.cause.message, expected, "{task}");
    }
}

#[test]
fn mistakes_are_found_before_the_run() {
    let mut found = String::new();
    for task in [
        json!({}),
        json!({ "copy": { "from": "a", "to": "b" }, "delete": "c" }),
        json!({ "cpy": { "from": "a", "to": "b" } }),
        json!({ "copy": { "from": "a" } }),
        json!({ "delete": "{{ params.dy }}" }),
        json!({ "move": { "from": "../a", "to": "/tmp/x" } }),
        json!({ "compress": { "from": "a", "format": "none" } }),
        json!({ "wait_for": { "path": "a", "every": 5 } }),
    ] {
        found.push_str(&format!(
            "{task}\n{}\n",
            project().parse(kind(), &task).messages()
        ));
    }
    insta::assert_snapshot!(found);
}

/// A project with a bucket in a folder or in an object store, which is stopped with the last.
fn with_bucket(yaml: &str) -> Attempt {
    let mut attempt = project();
    let places = crate::support::connections::places(attempt.folder());
    let lake = crate::support::connections::connection("lake", yaml, &places);
    let name = runner::model::ConnectionId::new("lake").unwrap();
    attempt.connections.insert(name, lake);
    attempt
}

#[tokio::test]
async fn every_verb_reaches_buckets() {
    let server = crate::support::s3::S3::start();
    for yaml in [
        "bucket: lake/".to_owned(),
        server.connection("s3://things/x"),
    ] {
        let attempt = with_bucket(&yaml);
        let lake = |file: &str| json!({ "connection": "lake", "file": file });
        let bucket = attempt.connections.bucket("lake").unwrap();
        for (task, expected) in [
            (
                json!({ "copy": { "from": "in/*.csv", "to": lake("raw/") } }),
                "raw/a.csv raw/b.csv",
            ),
            (
                json!({ "copy": { "from": lake("raw/a.csv"), "to": lake("deep/er/x.csv") } }),
                "deep/er/x.csv raw/a.csv raw/b.csv",
            ),
            (
                json!({ "move": { "from": lake("raw/a.csv"), "to": lake("raw/c.csv") } }),
                "deep/er/x.csv raw/b.csv raw/c.csv",
            ),
            (
                json!({ "compress": { "from": lake("raw/*.csv"), "keep": false } }),
                "deep/er/x.csv raw/b.csv.gz raw/c.csv.gz",
            ),
            (
                json!({ "decompress": { "from": lake("raw/b.csv.gz"), "to": "unpacked.csv" } }),
                "deep/er/x.csv raw/b.csv.gz raw/c.csv.gz",
            ),
            (json!({ "delete": lake("raw/*") }), "deep/er/x.csv"),
            (
                json!({ "write": { "path": lake("n.txt"), "text": "{{ params.day }}" } }),
                "deep/er/x.csv n.txt",
            ),
            (json!({ "wait_for": lake("n.*") }), "deep/er/x.csv n.txt"),
            (
                json!({ "wait_for": { "path": lake("n.txt"), "every": "10ms" } }),
                "deep/er/x.csv n.txt",
            ),
            (
                json!({ "move": { "from": lake("n.txt"), "to": "back.txt" } }),
                "deep/er/x.csv",
            ),
        ] {
            attempt.run(kind(), &task).await.unwrap();
            let looked = bucket.clone();
            let found = tokio::task::spawn_blocking(move || looked.list("**/*").unwrap());
            let paths: Vec<String> = found
                .await
                .unwrap()
                .into_iter()
                .map(|file| file.path)
                .collect();
            assert_eq!(paths.join(" "), expected, "{task}");
        }
        let files = files(&attempt);
        assert_eq!(
            (files["unpacked.csv"].as_str(), files["back.txt"].as_str()),
            ("bb", "2020-08-20")
        );
        let output = attempt
            .run(kind(), &json!({ "list": lake("**/*.csv") }))
            .await
            .unwrap();
        assert_eq!(
            (&output.outputs["files"], &output.outputs["bytes"]),
            (&json!(1), &json!(1))
        );
        let none = json!({ "copy": { "from": lake("none/*"), "to": "x/" } });
        let failed = attempt.run(kind(), &none).await.unwrap_err();
        let expected = format!("no file matches `{}`", bucket.shown("none/*"));
        assert_eq!(&*failed.cause.message, expected.as_str());
        let outside = attempt
            .parse(kind(), &json!({ "delete": lake("../x") }))
            .messages();
        assert!(
            outside.contains("`../x` leads out of the bucket"),
            "{outside}"
        );
    }
}
