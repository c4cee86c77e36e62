//! What is found in a copy before it runs.

use runner::document::{Report, SourceId};
use runner::model::{ConnectionId, TaskId};
use runner::spec::read_yaml;
use runner::task::KINDS;
use serde_json::{Value as Json, json};

use super::kind;
use crate::support::attempt::Attempt;
use crate::support::connections::{connection, places};

fn messages(copy: &Json) -> String {
    let mut attempt = Attempt::new()
        .with("params", json!({ "day": "2020-08-20" }))
        .file("in/deposit.csv", "id\n")
        .file("sql/q.sql", "select 1; select 2");
    let places = places(attempt.folder());
    let database = connection("db", "sqlite: data.db", &places);
    attempt
        .connections
        .insert(ConnectionId::new("db").expect("a name"), database);
    attempt.parse(kind(), copy).messages()
}

#[test]
fn mistakes_are_found() {
    let csv = || json!({ "file": "in/deposit.csv" });
    let table = || json!({ "connection": "db", "table": "t" });
    let query = |text: &str| json!({ "connection": "db", "query": text });
    let mut found = String::new();
    for copy in [
        json!({}),
        json!({ "from": {} }),
        json!({ "from": { "file": "in/deposits.csv" } }),
        json!({ "from": { "file": "in/zzz" } }),
        json!({ "from": { "file": "in/deposit.csv", "dataset": "x" } }),
        json!({ "from": { "dataset": "nothing" } }),
        json!({ "from": { "query": "select 1" } }),
        json!({ "from": { "connection": "dbb", "query": "select 1" } }),
        json!({ "from": { "connection": "db" } }),
        json!({ "from": query("select :dey") }),
        json!({ "from": query("select {{ params.dey }}") }),
        json!({ "from": query("select 'open") }),
        json!({ "from": { "connection": "db", "file": "sql/q.sql" } }),
        json!({ "from": { "connection": "db", "query": "select 1", "delimiter": ";" } }),
        json!({ "from": { "file": "in/deposit.csv", "delimiter": ";;", "encoding": "latin-eins" } }),
        json!({ "from": { "file": "in/deposit.csv", "header": false } }),
        json!({ "from": { "file": "in/deposit.csv", "delimitr": ";" } }),
        json!({ "from": csv(), "to": {} }),
        json!({ "from": csv(), "to": { "connection": "db" } }),
        json!({ "from": csv(), "to": { "connection": "db", "table": "t", "file": "x.csv" } }),
        json!({ "from": csv(), "to": { "connection": "db", "table": "t", "mode": "upsrt" } }),
        json!({ "from": csv(), "to": { "connection": "db", "table": "t", "key": "id" } }),
        json!({ "from": csv(), "to": { "connection": "db", "table": "t", "replace_by": "delete" } }),
        json!({ "from": csv(), "to": { "file": "x.parquet" } }),
        json!({ "from": csv(), "to": { "file": "x.csv", "mode": "append" } }),
        json!({ "from": csv(), "to": table(), "rejects": "r.csv" }),
        json!({ "from": csv(), "to": table(), "columns": { "a": "b..c", "d": { "type": "nummer" } } }),
        json!({ "from": csv(), "to": table(), "columns": { "a": "{{ b + }}", "c": "{{ params.dy ~ d }}" } }),
        json!({ "from": csv(), "to": table(), "columns": ["a", "a"], "where": "a >" }),
    ] {
        found.push_str(&format!("{copy}\n"));
        found.push_str(&messages(&copy));
        found.push('\n');
    }
    insta::assert_snapshot!(found);
}

#[test]
fn what_is_right_is_accepted() {
    for copy in [
        json!({ "from": { "file": "in/deposit.csv" } }),
        json!({ "from": { "file": "{{ params.day }}/*.txt", "format": "csv" } }),
        json!({ "from": { "file": "in/*.csv.gz", "delimiter": "tab", "quote": "'", "null_text": "NULL", "encoding": "latin1" } }),
        json!({ "from": { "connection": "db", "query": "select :day, :x, {{ params.day }}", "params": { "x": 1 } } }),
        json!({ "from": { "file": "in/deposit.csv" }, "to": { "file": "out/{{ params.day }}.csv.zst" }, "where": "id > params.day" }),
    ] {
        assert_eq!(messages(&copy), "", "{copy}");
    }
}

#[test]
fn examples_are_right() {
    for name in ["copy", "file"] {
        let kind = KINDS.iter().find(|kind| kind.name == name).unwrap();
        let mut attempt = Attempt::new();
        let places = places(attempt.folder());
        attempt.connections.insert(
            ConnectionId::new("warehouse").expect("a name"),
            connection("warehouse", "sqlite: data.db", &places),
        );
        let mut report = Report::default();
        let example = read_yaml(SourceId(0), kind.example, &mut report);
        assert_eq!(report.diagnostics(), []);
        let example = example.expect("a document");
        for entry in example.get("tasks").unwrap().as_map().unwrap() {
            let task = entry.value.get(name).unwrap().to_json();
            let parsed = attempt.parse(kind, &task);
            assert_eq!(parsed.messages(), "", "{}", entry.key.value);
            let before = TaskId::new(&entry.key.value).expect("a name");
            attempt.datasets.insert(before, Vec::new());
        }
    }
}
