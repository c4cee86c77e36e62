//! What is found before a script runs.

use serde_json::json;

use super::kind;
use crate::support::attempt::Attempt;

#[test]
fn mistakes_are_found_before_a_run() {
    let attempt = Attempt::new()
        .with("params", json!({ "day": "2026-08-20" }))
        .file("scripts/load.sh", "true")
        .file("scripts/windows.sh", "ls\r\n");
    let mut text = String::new();
    for value in [
        json!(5),
        json!({}),
        json!("  \n"),
        json!({ "scirpt": "true" }),
        json!({ "script": "a", "file": "scripts/load.sh" }),
        json!({ "file": "scripts/laod.sh" }),
        json!({ "file": "scripts/windows.sh" }),
        json!({ "script": "{{ params.day }}", "shell": "bsh", "env": { "1": "x" } }),
        json!({ "script": "a", "shell": "bsh" }),
        json!({ "script": "a", "shell": "fish" }),
        json!({ "command": ["a"], "shell": "sh" }),
        json!({ "command": [] }),
        json!({ "command": "ls -l" }),
        json!({ "command": ["{{ params.dya }}"] }),
        json!("load --day {{ params.day }} --last {{ params.day | shift('-1d') }}"),
        json!({ "script": "echo {{ item }}" }),
        json!({ "script": "a", "env": { "A-B": "x", "RUNNER_TASK": "x", "OK": "{{ params.no }}" } }),
        json!({ "script": "a", "env": { "A": [1], "B": null, "C": true, "D": 1.50 } }),
        json!({ "script": "a", "accept": 256 }),
        json!({ "script": "a", "accept": [] }),
        json!({ "script": "a", "accept": [0, 99], "skip": 99 }),
        json!({ "script": "a", "grace": 10 }),
        json!({ "script": "a", "directory": "nowhere" }),
    ] {
        let parsed = attempt.parse(kind(), &value);
        text.push_str(&format!("{value}\n{}\n", parsed.messages()));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn braces_of_others_are_no_mistake() {
    for script in [
        "docker ps --format '{{.Names}}'",
        "docker inspect -f '{{range .Mounts}}{{.Source}}{{end}}' x",
        "echo ${a:-{}}",
        "awk '{print}' f | jq '{a: {b: 1}}'",
    ] {
        let messages = Attempt::new().parse(kind(), &json!(script)).messages();
        assert_eq!(messages, "", "{script}");
    }
}
