//! The task that checks data.

use std::sync::Arc;

use runner::connection::Connection;
use runner::model::{ConnectionId, FailureKind};
use runner::task::{KINDS, TaskKind};
use serde_json::{Value as Json, json};

use crate::support::attempt::Attempt;
use crate::support::connections::{connection, places, postgres, session, statement};

fn kind() -> &'static TaskKind {
    KINDS
        .iter()
        .find(|kind| kind.name == "check")
        .expect("a kind")
}

const TABLES: &[&str] = &[
    "create table users (user_id text)",
    "insert into users values ('ann'), ('bob')",
    "create table candles (day date, low numeric, high numeric, state varchar(16), user_id text, seen timestamp)",
    "insert into candles values
        ('2020-01-01', 1.5, 2.5, 'complete', 'ann', '2026-08-20 23:30:00'),
        ('2020-01-02', 3.5, 2.5, 'partial', 'bob', '2026-08-20 10:00:00'),
        ('2020-01-02', 0, 1, 'odd', 'eve', null),
        (null, null, -1, null, null, null)",
];

async fn fill(connection: &Arc<dyn Connection>) {
    let mut session = session(connection).await;
    for text in TABLES {
        session
            .execute(&statement(text, &[]))
            .await
            .expect("an answer");
    }
}

/// An attempt with the tables in PostgreSQL, and one with them in SQLite.
async fn scenes() -> Vec<Attempt> {
    let (postgres, _) = postgres().await;
    let mut scenes = Vec::new();
    for which in 0..2 {
        let mut attempt = Attempt::new().with(
            "params",
            json!({ "states": ["complete", "partial"], "least": 1 }),
        );
        let connection = if which == 0 {
            Arc::clone(&postgres)
        } else {
            connection("db", "sqlite: a.db", &places(attempt.folder()))
        };
        fill(&connection).await;
        attempt
            .connections
            .insert(ConnectionId::new("db").expect("a name"), connection);
        scenes.push(attempt);
    }
    scenes
}

fn check(rules: &Json) -> Json {
    json!({ "connection": "db", "table": "candles", "rules": rules })
}

#[tokio::test]
async fn rules_that_hold_are_counted() {
    for attempt in scenes().await {
        let rules = json!([
            { "not_null": "high" },
            { "unique": ["day", "state"] },
            { "accepted_values": { "columns": "user_id", "values": ["ann", "bob", "eve"] } },
            { "range": { "columns": "low", "min": 0, "max": "{{ 3.5 }}" } },
            { "range": { "columns": "day", "above": "2019-12-31", "below": "2020-01-03" } },
            { "row_count": { "min": "{{ params.least }}", "max": 4 } },
            { "row_count": 4 },
            { "freshness": { "column": "seen", "max_age": "1h" } },
            { "no_rows": "select * from candles where high > {{ params.least * 3 }} and low < :least" },
        ]);
        let output = attempt.run(kind(), &check(&rules)).await.unwrap();
        assert_eq!(output.metrics.summary.as_deref(), Some("9 rules hold"));
        assert_eq!(output.outputs["warnings"], json!([]));
        assert!(output.dataset.is_none());
    }
}

#[tokio::test]
async fn broken_rules_are_named_with_their_rows() {
    for attempt in scenes().await {
        let rules = json!([
            { "not_null": ["day", "high"] },
            { "unique": "day" },
            { "accepted_values": { "columns": "state", "values": ["{{ params.states }}"] } },
            { "relationship": { "column": "user_id", "to": "users.user_id" } },
            { "range": { "columns": ["low", "high"], "above": 0 } },
            { "row_count": { "min": 5 } },
            { "freshness": { "column": "seen", "max_age": "10m" } },
            { "no_rows": "select day, low from candles where low > high", "name": "low is not above high" },
        ]);
        let failure = attempt.run(kind(), &check(&rules)).await.unwrap_err();
        assert_eq!(failure.cause.kind, FailureKind::Permanent);
        let lines: Vec<&str> = failure
            .cause
            .message
            .lines()
            .filter(|line| !line.starts_with(' '))
            .collect();
        assert_eq!(
            lines,
            [
                "9 of 10 rules are broken",
                "not_null day: 1 row",
                "unique day: 2 rows",
                "accepted_values state: 1 row",
                "relationship user_id: 1 row",
                "range low: 1 row",
                "range high: 1 row",
                "row_count: 4 rows, expected at least 5",
                "freshness seen: the newest is 2026-08-20 23:30:00, more than 10m before 2026-08-21 00:00:00 UTC",
                "low is not above high: 1 row",
            ]
        );
        assert!(
            failure
                .cause
                .message
                .contains("unique day: 2 rows\n  day         rows\n  2020-01-02  2\n"),
            "{}",
            failure.cause.message
        );
        assert!(
            failure
                .cause
                .message
                .ends_with("low is not above high: 1 row\n  day         low\n  2020-01-02  3.5"),
            "{}",
            failure.cause.message
        );
    }
}

#[tokio::test]
async fn warnings_do_not_fail_and_leave_their_rows() {
    for attempt in scenes().await {
        let rules = json!([
            { "not_null": "day", "severity": "warn", "name": "every candle has a day" },
            { "not_null": "high" },
        ]);
        let output = attempt.run(kind(), &check(&rules)).await.unwrap();
        assert_eq!(
            output.metrics.summary.as_deref(),
            Some("1 rule holds, 1 warning")
        );
        assert_eq!(
            output.outputs["warnings"],
            json!([{ "rule": "every candle has a day", "rows": 1 }])
        );
        let path = attempt
            .folder()
            .join(".runner")
            .join(output.dataset.unwrap().path);
        let line: Json =
            serde_json::from_str(std::fs::read_to_string(path).unwrap().trim()).unwrap();
        assert_eq!(line["rule"], "every candle has a day");
        assert_eq!(line["severity"], "warn");
        assert_eq!(line["row"]["high"], json!(-1));
        assert!(
            attempt
                .log()
                .iter()
                .any(|line| line == "warn  every candle has a day: 1 row"),
            "{:?}",
            attempt.log()
        );
    }
}

#[tokio::test]
async fn a_rule_that_cannot_be_looked_at_does_not_hide_the_others() {
    for attempt in scenes().await {
        let rules =
            json!([{ "not_null": "nowhere" }, { "not_null": "day" }, { "not_null": "high" }]);
        let failure = attempt.run(kind(), &check(&rules)).await.unwrap_err();
        let message = failure.cause.message;
        assert!(
            message.starts_with("2 of 3 rules are broken\nnot_null day: 1 row\n"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn queries_can_be_checked_and_cannot_write() {
    for (index, attempt) in scenes().await.into_iter().enumerate() {
        let value = json!({
            "connection": "db",
            "query": "select day, high from candles where low > {{ params.least }} -- those",
            "rules": [{ "row_count": 2 }, { "not_null": ["day"] }, { "range": { "columns": "high", "max": 2.5 } }],
        });
        let output = attempt.run(kind(), &value).await.unwrap();
        assert_eq!(output.metrics.summary.as_deref(), Some("3 rules hold"));
        if index == 0 {
            let value = check(
                &json!([{ "no_rows": "with d as (delete from candles returning *) select * from d" }]),
            );
            let failure = attempt.run(kind(), &value).await.unwrap_err();
            assert!(
                failure
                    .cause
                    .message
                    .contains("WITH clause containing a data-modifying statement"),
                "{}",
                failure.cause.message
            );
        }
    }
}

#[tokio::test]
async fn mistakes_are_told_before_a_run() {
    let attempt = scenes().await.remove(0);
    for (value, expected) in [
        (
            json!({ "connection": "db", "rules": [{ "not_null": "a" }] }),
            "error[missing-key]: a check task needs `table` or `query`",
        ),
        (
            check(&json!([])),
            "error[no-rules]: a check needs at least one rule",
        ),
        (
            check(&json!([{ "notnull": "a" }])),
            "error[unknown-key]: unknown key `notnull` in a rule\n  at notnull: did you mean `not_null`?",
        ),
        (
            check(&json!([{ "name": "a" }])),
            "error[missing-key]: a rule needs its kind",
        ),
        (
            check(&json!([{ "not_null": "a", "unique": "b" }])),
            "error[two-kinds]: a rule has one kind, not `not_null`, `unique`",
        ),
        (
            check(&json!([{ "not_null": [] }])),
            "error[missing-key]: a rule needs a column",
        ),
        (
            check(&json!([{ "range": { "columns": "a" } }])),
            "error[missing-key]: `range` needs a bound",
        ),
        (
            check(&json!([{ "row_count": {} }])),
            "error[missing-key]: `row_count` needs a bound",
        ),
        (
            check(&json!([{ "relationship": { "column": "a", "to": "b" } }])),
            "error[invalid-value]: `b` names no column",
        ),
        (
            check(&json!([{ "freshness": { "column": "a", "max_age": "1x" } }])),
            "error[invalid-value]: `x` is no unit of time",
        ),
        (
            check(&json!([{ "no_rows": "selct 1" }])),
            "error[sql-syntax]: syntax error at `selct`: expected a statement\n  at selct: \n",
        ),
        (
            check(&json!([{ "no_rows": "delete from t" }])),
            "error[no-query]: expected a query: a statement that gives rows",
        ),
        (
            check(&json!([{ "no_rows": "select 1; select 2" }])),
            "error[no-query]: expected one query",
        ),
        (
            check(&json!([{ "no_rows": "select :leats" }])),
            "error[unknown-param]: parameter `:leats` doesn't exist\n  at :leats: \n  help: did you mean `:least`?",
        ),
        (
            check(&json!([{ "not_null": "a", "severity": "warning" }])),
            "error[unknown-value]: unknown severity `warning`",
        ),
    ] {
        let parsed = attempt.parse(kind(), &value);
        let messages = parsed.messages();
        assert!(messages.starts_with(expected), "{value}\n{messages}");
        assert!(parsed.task.is_none(), "{value}");
    }
}
