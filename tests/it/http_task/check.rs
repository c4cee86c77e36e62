//! What is found before anything is asked.

use runner::model::ConnectionId;
use serde_json::{Value as Json, json};

use super::kind;
use crate::support::attempt::Attempt;
use crate::support::connections::{connection, places};

fn messages(name: &str, value: &Json) -> String {
    let mut attempt = Attempt::new().with("params", json!({ "coin": "bitcoin" }));
    let places = places(attempt.folder());
    for (name, yaml) in [
        ("api", "http: \"https://api.example.com\""),
        ("db", "sqlite: data.db"),
    ] {
        let made = connection(name, yaml, &places);
        let id = ConnectionId::new(name).unwrap();
        attempt.connections.insert(id, made);
    }
    attempt.parse(kind(name), value).messages()
}

#[test]
fn mistakes_are_found() {
    let mut found = String::new();
    for http in [
        json!({}),
        json!({ "connection": "api" }),
        json!({ "connection": "apy", "get": "x" }),
        json!({ "connection": "db", "get": "x" }),
        json!({ "get": "coins" }),
        json!({ "connection": "api", "get": "x", "post": "y" }),
        json!({ "connection": "api", "url": "https://x" }),
        json!({ "connection": "api", "gett": "x" }),
        json!({ "connection": "api", "get": "{{ params.coins }}" }),
        json!({ "connection": "api", "get": "x", "body": { "json": 1 } }),
        json!({ "connection": "api", "post": "x", "body": {} }),
        json!({ "connection": "api", "post": "x", "body": { "json": 1, "form": {} } }),
        json!({ "connection": "api", "post": "x", "body": { "json": 1, "batch": 3 } }),
        json!({ "connection": "api", "post": "x", "body": { "dataset": "rows" } }),
        json!({ "connection": "api", "get": "x", "records": "$.a", "format": "xml" }),
        json!({ "connection": "api", "get": "x", "records": "a", "format": "csv" }),
        json!({ "connection": "api", "get": "x", "pages": {} }),
        json!({ "connection": "api", "get": "x", "pages": { "page": "p", "link": "next" } }),
        json!({ "connection": "api", "get": "x", "pages": { "link": "next", "first": 3, "query": "q" } }),
        json!({ "connection": "api", "get": "x", "pages": { "cursor": "a[-1]", "query": "q" } }),
        json!({ "connection": "api", "get": "x", "pages": { "page": "p", "until": "bodi.last" } }),
        json!({ "connection": "api", "get": "x", "pages": { "page": "p" }, "repeat": { "every": "1s", "count": 3 } }),
        json!({ "connection": "api", "get": "x", "repeat": { "every": "0s" } }),
        json!({ "connection": "api", "get": "x", "repeat": { "every": "0s", "count": 1, "on_error": "skipp" } }),
        json!({ "connection": "api", "get": "x", "query": { "at": "{{ tick.at }}" } }),
        json!({ "connection": "api", "get": "x", "expect": { "status": 2, "body": "body.ok and" } }),
        json!({ "connection": "api", "get": "x", "headers": { "a b": "c" }, "rate_limit": "fast" }),
    ] {
        found.push_str(&format!("{http}\n{}\n", messages("http", &http)));
    }
    for copy in [
        json!({ "from": { "connection": "api", "get": "x", "columns": ["a"], "keep_headers": ["etag"] } }),
        json!({ "from": { "connection": "api", "query": "select 1" } }),
        json!({ "from": { "connection": "api", "get": "x" }, "to": { "connection": "api", "get": "x" } }),
        json!({ "from": { "connection": "api", "get": "x" }, "to": { "connection": "api", "post": "x", "under": "items" } }),
    ] {
        found.push_str(&format!("{copy}\n{}\n", messages("copy", &copy)));
    }
    insta::assert_snapshot!(found);
}

#[test]
fn what_is_right_is_accepted() {
    for http in [
        json!({ "connection": "api", "get": "coins/{{ params.coin }}" }),
        json!({ "url": "https://example.com/{{ params.coin }}" }),
        json!({ "post": "{{ params.coin }}" }),
        json!({ "connection": "api", "get": "x", "query": { "at": "{{ tick.at }}" }, "repeat": { "every": "1s", "count": "{{ params.coin }}" } }),
        json!({ "connection": "api", "get": "x", "records": "result.*", "expect": { "status": [200, "4xx"], "body": "not body.error" } }),
        json!({ "connection": "api", "get": "x", "pages": { "cursor": { "header": "x-next" }, "limit": 3, "until": "headers['x-last'] or page.number > 3" } }),
    ] {
        assert_eq!(messages("http", &http), "", "{http}");
    }
}
