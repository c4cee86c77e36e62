//! Scripts that compute with each batch of records in the database.

use runner::connection::Session;
use runner::model::ConnectionId;
use serde_json::{Value as Json, json};

use super::{all, execute, failure, read, run};
use crate::support::attempt::Attempt;
use crate::support::connections::{connection, places, postgres, session};

const PRICES: &str = "pair,at,bid\nbtc,2026-01-01 00:00:01+00,10.5\neth,2026-01-01 00:00:02+00,3\nbtc,2026-01-01 00:00:03+00,9\nbtc,2026-01-01 00:00:04+00,12.25\neth,2026-01-01 00:00:05+00,\n";

const TABLES: [&str; 2] = [
    "CREATE TABLE price (pair text, at text, bid text, highest text, arrived int)",
    "CREATE TABLE best (pair text PRIMARY KEY, bid numeric)",
];

/// Keeps each price with the highest of its pair until then: over all batches, in their order.
const RUNNING: &str = "
    insert into price (pair, at, bid, highest, arrived)
    select b.pair, b.at, b.bid,
        (select max(v) from (
            select cast(o.bid as numeric) as v from batch o where o.pair = b.pair and o.batch_row <= b.batch_row
            union all
            select bid from best where best.pair = b.pair) as seen),
        b.batch_row
    from batch b;
    insert into best (pair, bid) select pair, max(cast(bid as numeric)) from batch where true group by pair
    on conflict (pair) do update set bid = case
        when excluded.bid > best.bid then excluded.bid else best.bid end;
";
const ALL: &str = "SELECT * FROM price ORDER BY at";

async fn on_postgres() -> (Attempt, Box<dyn Session>) {
    let (connection, database) = postgres().await;
    let session = session(&connection).await;
    let mut attempt = Attempt::new();
    attempt
        .connections
        .insert(ConnectionId::new("db").expect("a name"), connection);
    drop(database);
    (attempt, session)
}

async fn on_sqlite() -> (Attempt, Box<dyn Session>) {
    let mut attempt = Attempt::new();
    let connection = connection("db", "sqlite: data.db", &places(attempt.folder()));
    let session = session(&connection).await;
    attempt
        .connections
        .insert(ConnectionId::new("db").expect("a name"), connection);
    (attempt, session)
}

fn running(batch: u32) -> Json {
    json!({
        "from": "in/prices.csv",
        "to": { "connection": "db", "script": RUNNING, "batch": batch },
    })
}

async fn check_batches(project: (Attempt, Box<dyn Session>), batch: u32, arrived: [u32; 5]) {
    let (attempt, mut session) = project;
    let attempt = attempt.file("in/prices.csv", PRICES);
    execute(&mut *session, &TABLES).await;
    let output = run(&attempt, &running(batch)).await.unwrap();
    let highest = ["10.5", "3", "10.5", "12.25", "3"];
    let expected: Vec<String> = PRICES
        .lines()
        .skip(1)
        .zip(highest.iter().zip(arrived))
        .map(|(line, (highest, arrived))| {
            let cells: Vec<&str> = line.split(',').collect();
            let bid = if cells[2].is_empty() { "∅" } else { cells[2] };
            format!("{}|{}|{bid}|{highest}|{arrived}", cells[0], cells[1])
        })
        .collect();
    assert_eq!(
        all(&mut *session, ALL).await,
        expected,
        "batches of {batch}"
    );
    assert_eq!(output.outputs["rows"], 5);
    assert_eq!(output.outputs["batches"], 5_u32.div_ceil(batch));
    assert_eq!(output.outputs["bytes"], PRICES.len());
    // A second attempt finds the first one's entry in the ledger.
    run(&attempt.clone().number(2), &running(batch))
        .await
        .unwrap();
    assert_eq!(all(&mut *session, ALL).await, expected);
}

#[tokio::test]
async fn a_script_sees_each_batch_in_its_order() {
    for (batch, arrived) in [(10_000, [1, 2, 3, 4, 5]), (2, [1, 2, 1, 2, 1]), (1, [1; 5])] {
        check_batches(on_postgres().await, batch, arrived).await;
        check_batches(on_sqlite().await, batch, arrived).await;
    }
}

#[tokio::test]
async fn the_columns_of_a_batch_have_types() {
    let (attempt, mut session) = on_postgres().await;
    let attempt = attempt
        .file(
            "in/all.ndjson",
            "{\"n\":1.10,\"ok\":true,\"tags\":[1,{\"a\":2}],\"t\":\"x\",\"day\":\"2026-01-01\",\"at\":\"2026-01-01T00:00:00Z\",\"i\":\"7\",\"f\":\"1e3\"}\n",
        )
        .with("params", json!({ "label": "it's" }));
    execute(&mut *session, &["CREATE TABLE kept (name text, type text)"]).await;
    let copy = json!({
        "from": "in/all.ndjson",
        "to": {
            "connection": "db",
            "script": "insert into kept select attname, format_type(atttypid, atttypmod) from pg_attribute
                where attrelid = 'batch'::regclass and attnum > 0;
                insert into kept select :label, (n + 1)::text || tags::text || :more from batch;",
            "params": { "more": "{{ 1 + 1 }}" },
        },
        "columns": {
            "n": "n", "ok": "ok", "tags": "tags", "t": "t",
            "day": { "type": "date" }, "at": { "type": "timestamp" },
            "i": { "type": "integer" }, "f": { "type": "float" },
        },
    });
    run(&attempt, &copy).await.unwrap();
    assert_eq!(
        all(&mut *session, "SELECT * FROM kept").await,
        [
            "n|numeric",
            "ok|boolean",
            "tags|jsonb",
            "t|text",
            "day|date",
            "at|timestamp with time zone",
            "i|bigint",
            "f|double precision",
            "batch_row|bigint",
            "it's|2.10[1, {\"a\": 2}]2",
        ]
    );
}

#[tokio::test]
async fn a_failing_batch_leaves_nothing_of_the_others() {
    let (attempt, mut session) = on_postgres().await;
    let attempt = attempt
        .file("in/n.csv", "n,note\n1,a\n2,b\n0,c\nx,d\n")
        .file(
            "sql/divide.sql",
            "insert into t\nselect 10 / n, note\nfrom batch",
        );
    execute(&mut *session, &["CREATE TABLE t (n numeric, note text)"]).await;
    let copy = json!({
        "from": "in/n.csv",
        "to": { "connection": "db", "file": "sql/divide.sql", "batch": 2 },
        "columns": { "n": { "type": "integer" }, "note": "note" },
    });
    assert_eq!(
        failure(&attempt, &copy).await,
        "in/n.csv:5: column `n`: no integer: `x`"
    );
    let mut lenient = copy.clone();
    lenient["on_error"] = "skip".into();
    lenient["rejects"] = "rejects.csv".into();
    let message = failure(&attempt, &lenient).await;
    assert_eq!(
        message,
        "division by zero\n --> sql/divide.sql:1:1\n  |\n1 | insert into t\n  | ^\n = code: 22012"
    );
    assert!(all(&mut *session, "SELECT * FROM t").await.is_empty());
    assert!(!attempt.folder().join("rejects.csv").exists());
    lenient["where"] = "n != 0".into();
    let output = run(&attempt, &lenient).await.unwrap();
    assert_eq!(output.outputs["rejected"], 1);
    assert_eq!(output.outputs["touched"], 2);
    assert_eq!(
        all(&mut *session, "SELECT note FROM t ORDER BY 1").await,
        ["a", "b"]
    );
    assert!(read(&attempt, "rejects.csv").contains("no integer"));
}
