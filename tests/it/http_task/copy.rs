//! From an API into a real PostgreSQL.

use runner::connection::Session;
use runner::model::ConnectionId;
use serde_json::{Value as Json, json};

use super::{attempt, kind, without_port};
use crate::support::attempt::Attempt;
use crate::support::connections::{postgres, rows, session, statement};
use crate::support::fault_server::{FaultServer, Received, reply};

/// Prices whose digits no binary float holds, in pages of two.
const PAGES: [&str; 3] = [
    r#"{"tickers": [
        {"id": 1, "last": 67123.45000000000000000000000000000001, "market": {"name": "Kraken \"A\""}, "at": "2026-08-20T01:00:00Z"},
        {"id": 2, "last": 1e-8, "market": {"name": "a\\b\tc\nd"}, "at": null}]}"#,
    r#"{"tickers": [
        {"id": 3, "last": 12345678901234567890123456789.5, "market": null, "at": "2026-08-20T02:00:00+02:00"},
        {"id": 4, "last": -0.10, "market": {"name": "😀"}, "at": null}]}"#,
    r#"{"tickers": []}"#,
];

fn serve(request: &Received) -> Vec<crate::support::fault_server::Act> {
    let body = PAGES[request.number.min(2)];
    reply(
        200,
        &[("Content-Type", "application/json")],
        body.as_bytes(),
    )
}

async fn project(server: &FaultServer) -> (Attempt, Box<dyn Session>) {
    let (connection, _database) = postgres().await;
    let mut session = session(&connection).await;
    let table =
        "CREATE TABLE ticker (id int PRIMARY KEY, last numeric, market text, at timestamptz)";
    session.execute(&statement(table, &[])).await.unwrap();
    let mut attempt = attempt(server);
    let name = ConnectionId::new("db").unwrap();
    attempt.connections.insert(name, connection);
    (attempt, session)
}

fn copy() -> Json {
    json!({
        "from": { "connection": "api", "get": "tickers", "records": "tickers", "pages": { "page": "page" } },
        "to": { "connection": "db", "table": "ticker" },
        "columns": { "id": "id", "last": "last", "market": "market.name", "at": "at" },
    })
}

#[tokio::test]
async fn digits_reach_numeric_columns() {
    let server = FaultServer::start(serve);
    let (attempt, mut session) = project(&server).await;
    let output = attempt.run(kind("copy"), &copy()).await.unwrap();
    assert_eq!(output.outputs["rows"], 4);
    let found = rows(
        &mut *session,
        "SELECT id, last::text, market, at AT TIME ZONE 'UTC' FROM ticker ORDER BY id",
        &[],
    )
    .await
    .unwrap();
    assert_eq!(
        found,
        [
            "1|67123.45000000000000000000000000000001|Kraken \"A\"|2026-08-20 01:00:00",
            "2|0.00000001|a\\b\tc\nd|∅",
            "3|12345678901234567890123456789.5|∅|2026-08-20 00:00:00",
            "4|-0.10|😀|∅",
        ]
    );
    // The other attempts of the same generation ask nothing and write nothing.
    let asked = server.received().len();
    attempt
        .clone()
        .number(2)
        .run(kind("copy"), &copy())
        .await
        .unwrap();
    assert_eq!(server.received().len(), asked);
}

#[tokio::test]
async fn an_answer_that_ends_badly_leaves_nothing() {
    for (bad, expected) in [
        (
            r#"{"tickers": [{"id": 3, "last": 1, "at": null, "market": null}, {"id": 4, "last": x}]}"#,
            "GET http://host/v1/tickers?page=2: malformed JSON at offset 81 (line 1, column 82): expected a value: `…rket\": null}, {\"id\": 4, \"last\": ⟶x}]}`",
        ),
        (
            r#"{"tickers": [{"id": 3, "last": "dear", "at": null, "market": null}]}"#,
            "GET http://host/v1/tickers?page=2:1: column `last`: invalid input syntax for type numeric: \"dear\"",
        ),
        (
            r#"{"error": "busy"}"#,
            "GET http://host/v1/tickers?page=2: the document has no `tickers`: it has `error`: {\"error\": \"busy\"}",
        ),
    ] {
        let server = FaultServer::start(move |request| {
            let body = if request.number == 0 { PAGES[0] } else { bad };
            reply(
                200,
                &[("Content-Type", "application/json")],
                body.as_bytes(),
            )
        });
        let (attempt, mut session) = project(&server).await;
        let failure = attempt.run(kind("copy"), &copy()).await.unwrap_err();
        assert_eq!(without_port(&failure.cause.message), expected);
        let count = rows(&mut *session, "SELECT count(*) FROM ticker", &[]).await;
        assert_eq!(count.unwrap(), ["0"], "{bad}");
    }
}

#[tokio::test]
async fn records_that_do_not_fit_are_rejected_with_their_place() {
    let server = FaultServer::start(|request| {
        let body = match request.number {
            0 => r#"{"tickers": [{"id": 1, "last": 1}, {"id": 2, "last": "x"}]}"#,
            1 => r#"{"tickers": [{"id": "y", "last": 3}, {"id": 4, "last": 4}]}"#,
            _ => PAGES[2],
        };
        reply(
            200,
            &[("Content-Type", "application/json")],
            body.as_bytes(),
        )
    });
    let (attempt, mut session) = project(&server).await;
    let mut copy = copy();
    copy["columns"] = json!({ "id": { "type": "integer" }, "last": { "type": "numeric" } });
    copy["on_error"] = "skip".into();
    copy["rejects"] = "rejects.csv".into();
    attempt.run(kind("copy"), &copy).await.unwrap();
    let found = rows(
        &mut *session,
        "SELECT id, last FROM ticker ORDER BY id",
        &[],
    )
    .await;
    assert_eq!(found.unwrap(), ["1|1", "4|4"]);
    let rejects = std::fs::read_to_string(attempt.folder().join("rejects.csv")).unwrap();
    let lines: Vec<String> = rejects
        .lines()
        .map(|line| without_port(line.rsplit_once(',').unwrap().0))
        .collect();
    assert!(
        lines[1].starts_with("GET http://host/v1/tickers?page=1,2,last,x,"),
        "{rejects}"
    );
    assert!(
        lines[2].starts_with("GET http://host/v1/tickers?page=2,1,id,y,"),
        "{rejects}"
    );
}

#[tokio::test]
async fn arrays_are_addressed_by_index() {
    let server = FaultServer::start(|_| {
        let body = r#"{"prices": [[1700000000000, 36000.10], [1700003600000, 36100]]}"#;
        reply(
            200,
            &[("Content-Type", "application/json")],
            body.as_bytes(),
        )
    });
    let attempt = attempt(&server);
    let copy = json!({
        "from": { "connection": "api", "get": "chart", "records": "prices" },
        "to": "out.csv",
        "columns": { "at": "[0]", "price": "[1]" },
    });
    attempt.run(kind("copy"), &copy).await.unwrap();
    let text = std::fs::read_to_string(attempt.folder().join("out.csv")).unwrap();
    assert_eq!(
        text,
        "at,price\n1700000000000,36000.10\n1700003600000,36100\n"
    );
}
