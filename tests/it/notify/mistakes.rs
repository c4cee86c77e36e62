//! What is wrong with a `notify`, before it runs.

use serde_json::json;

use super::{attempt, kind};
use crate::support::connections::{connection, places};

#[test]
fn mistakes_are_found_before_the_run() {
    let mut attempt = attempt(
        "ops",
        "webhook: \"https://hooks.example.com/services/token\"",
    );
    let places = places(attempt.folder());
    for (name, yaml) in [
        (
            "mail",
            "smtp: { host: mail.example.com, from: a@example.com }",
        ),
        ("db", "sqlite: data.db"),
    ] {
        let id = runner::model::ConnectionId::new(name).unwrap();
        attempt
            .connections
            .insert(id, connection(name, yaml, &places));
    }
    let mut found = String::new();
    for task in [
        json!({}),
        json!({ "connection": "ops" }),
        json!({ "connection": "opps", "text": "x" }),
        json!({ "connection": "db", "text": "x" }),
        json!({ "connection": "ops", "text": "{{ run.it }}" }),
        json!({ "connection": "ops", "text": "x", "to": "a@example.com" }),
        json!({ "connection": "ops", "text": "x", "json": { "text": "y" } }),
        json!({ "connection": "ops", "json": { "text": "{{ nothing }}" } }),
        json!({ "connection": "mail", "text": "x", "channel": "#ops" }),
        json!({ "connection": "mail", "json": {} }),
        json!({ "connection": "ops", "txt": "x", "require": false }),
        json!({ "connection": "ops", "text": "x", "fields": { "a": [] } }),
    ] {
        let messages = attempt.parse(kind(), &task).messages();
        found.push_str(&format!("{task}\n{messages}\n"));
    }
    insta::assert_snapshot!(found);
}
