//! The example of every kind is a pipeline or a connection that is right.

use std::process::Command;

use runner::{connection, task};

use crate::support::connections::{connection as connect, places};
use crate::support::postgres::runner;

/// A project with one pipeline, and a database for it.
fn project(pipeline: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = "connections:\n  results: { sqlite: data/results.db }\n";
    std::fs::write(folder.path().join("runner.yaml"), settings).expect("a file");
    std::fs::create_dir(folder.path().join("pipelines")).expect("a folder");
    std::fs::write(folder.path().join("pipelines/example.yaml"), pipeline).expect("a file");
    folder
}

#[test]
fn examples_that_need_nothing_else_run() {
    for kind in task::KINDS {
        if !matches!(kind.name, "check" | "plot" | "sql") {
            continue;
        }
        let folder = project(kind.example);
        let ran = Command::new(runner())
            .args(["trigger", "example"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{}: {shown}", kind.name);
    }
}

#[test]
fn examples_of_connections_are_read() {
    let places = places(std::path::Path::new("/nonexistent"));
    for kind in connection::KINDS {
        let value = kind.example.split_once(": ").unwrap().1.trim();
        let made = connect("example", value, &places);
        assert_eq!(made.kind(), kind.name);
    }
}
