//! Copies into SQLite.

use runner::connection::Session;
use runner::model::ConnectionId;
use serde_json::json;

use super::{all, execute, failure, read, run};
use crate::support::attempt::Attempt;
use crate::support::connections::{connection, places, session};

async fn project() -> (Attempt, Box<dyn Session>) {
    let mut attempt = Attempt::new();
    let places = places(attempt.folder());
    let connection = connection("db", "sqlite: data.db", &places);
    let mut session = session(&connection).await;
    attempt
        .connections
        .insert(ConnectionId::new("db").expect("a name"), connection);
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, price TEXT, ok BOOLEAN, any, n REAL CHECK (n < 100))";
    let old = "INSERT INTO t VALUES (1, 'old', 0, NULL, 1), (2, 'old', 0, NULL, 2)";
    execute(&mut *session, &[table, old]).await;
    (attempt, session)
}

const NEW: &str = r#"{"id":2,"price":"1.10","ok":true,"any":1.5,"n":20}
{"id":2,"price":"2.20","ok":false,"any":2,"n":22}
{"id":9,"price":null,"ok":null,"any":9,"n":"9"}
"#;
const ALL: &str = "SELECT id, price, ok, typeof(any), n FROM t ORDER BY id";

#[tokio::test]
async fn rows_meet_those_that_are_there_as_the_mode_says() {
    let old = "1|old|false|null|1.0";
    let (second, last, ninth) = (
        "2|1.10|true|real|20.0",
        "2|2.20|false|integer|22.0",
        "9|∅|∅|integer|9.0",
    );
    for (mode, on_error, expected) in [
        ("append", "skip", vec![old, "2|old|false|null|2.0", ninth]),
        ("replace", "skip", vec![second, ninth]),
        ("upsert", "fail", vec![old, last, ninth]),
        (
            "insert_new",
            "fail",
            vec![old, "2|old|false|null|2.0", ninth],
        ),
    ] {
        let (attempt, mut session) = project().await;
        let attempt = attempt.file("in/t.ndjson", NEW);
        let copy = json!({
            "from": { "file": "in/t.ndjson" },
            "to": { "connection": "db", "table": "t", "mode": mode },
            "on_error": on_error,
        });
        run(&attempt, &copy).await.unwrap();
        assert_eq!(all(&mut *session, ALL).await, expected, "{mode}");
        // A second attempt finds the first one's entry in the ledger.
        run(&attempt.clone().number(2), &copy).await.unwrap();
        assert_eq!(all(&mut *session, ALL).await, expected, "{mode}");
    }
}

#[tokio::test]
async fn a_refused_row_is_named() {
    let (attempt, mut session) = project().await;
    let attempt = attempt.file("in/a.csv", "id,n\n3,1\n4,100\n5,1\n");
    let copy = |on_error: &str, rejects: Option<&str>| {
        json!({
            "from": { "file": "in/a.csv" },
            "to": { "connection": "db", "table": "main.t" },
            "on_error": on_error,
            "rejects": rejects,
        })
    };
    assert_eq!(
        failure(&attempt, &copy("fail", None)).await,
        "in/a.csv:3: CHECK constraint failed: n < 100"
    );
    assert_eq!(all(&mut *session, "SELECT count(*) FROM t").await, ["2"]);
    run(&attempt, &copy("skip", Some("r.ndjson")))
        .await
        .unwrap();
    assert_eq!(all(&mut *session, "SELECT count(*) FROM t").await, ["4"]);
    let expected = "{\"file\":\"in/a.csv\",\"line\":3,\"column\":null,\"value\":null,\"reason\":\"CHECK constraint failed: n < 100\",\"record\":\"{\\\"id\\\":\\\"4\\\",\\\"n\\\":\\\"100\\\"}\"}\n";
    assert_eq!(read(&attempt, "r.ndjson"), expected);
}

#[tokio::test]
async fn an_unknown_table_has_a_nearest_name() {
    let (attempt, _session) = project().await;
    let attempt = attempt.file("in/a.csv", "id\n3\n");
    let copy =
        json!({ "from": { "file": "in/a.csv" }, "to": { "connection": "db", "table": "tt" } });
    assert_eq!(
        failure(&attempt, &copy).await,
        "table `tt` doesn't exist: did you mean `t`?"
    );
}
