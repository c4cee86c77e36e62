//! Copies into and out of a real PostgreSQL.

mod whole;

use runner::connection::Session;
use runner::model::{ConnectionId, TaskId};
use serde_json::{Value as Json, json};

use super::{all, execute, failure, read, run};
use crate::support::attempt::Attempt;
use crate::support::connections::{postgres, session};

const DEPOSIT: &str = "id,day,amount,note\n1,2020-08-20,1.50,\n2,2020-08-21,,\"\"\n3,2020-08-22,-7,\"a \"\"b\"\",\nc\"\n";

/// An attempt with a file and a connection `db` on an empty database, and a session on it.
async fn project() -> (Attempt, Box<dyn Session>) {
    let (connection, database) = postgres().await;
    let mut session = session(&connection).await;
    let table = "CREATE TABLE deposit (id int PRIMARY KEY, day date, amount numeric, note text)";
    execute(&mut *session, &[table]).await;
    let mut attempt = Attempt::new().file("in/deposit.csv", DEPOSIT);
    attempt
        .connections
        .insert(ConnectionId::new("db").expect("a name"), connection);
    drop(database);
    (attempt, session)
}

fn into(mode: &str) -> Json {
    json!({ "connection": "db", "table": "deposit", "mode": mode })
}

fn from(file: &str) -> Json {
    json!({ "file": file })
}

const ROWS: [&str; 3] = [
    "1|2020-08-20|1.50|∅",
    "2|2020-08-21|∅|",
    "3|2020-08-22|-7|a \"b\",\nc",
];

const ALL: &str = "SELECT * FROM deposit ORDER BY id";

#[tokio::test]
async fn files_are_loaded_raw_and_parsed_alike() {
    for (columns, filter) in [
        (Json::Null, Json::Null),
        (json!(["id", "day", "amount", "note"]), Json::Null),
        (Json::Null, json!("id > 0")),
        (
            json!({ "note": "note", "id": "{{ id }}", "amount": { "type": "numeric" }, "day": "day" }),
            Json::Null,
        ),
    ] {
        let (attempt, mut session) = project().await;
        let copy = json!({
            "from": from("in/deposit.csv"), "to": into("append"), "columns": columns, "where": filter,
        });
        let output = run(&attempt, &copy).await.unwrap();
        assert_eq!(all(&mut *session, ALL).await, ROWS, "{copy}");
        assert_eq!(output.metrics.rows, Some(3));
        assert_eq!(output.metrics.bytes, Some(DEPOSIT.len() as u64));
        assert_eq!(output.outputs["written"], 3);
    }
}

#[tokio::test]
async fn a_wrong_value_is_named_with_file_line_column_and_value() {
    let (attempt, mut session) = project().await;
    let attempt = attempt
        .file(
            "in/a.csv",
            "id,day,amount,note\n4,2020-01-01,1,\"x\ny\"\n5,2020-01-01,2,\n",
        )
        .file(
            "in/b.csv",
            "id,day,amount,note\n6,2020-01-01,3,\n7,2020-01-01,1.0x,\n",
        )
        .file("in/null.csv", "id,day,amount,note\n,2020-01-01,3,\n")
        .file(
            "in/twice.csv",
            "id,day,amount,note\n8,2020-01-01,3,\n8,2020-01-01,3,\n",
        )
        .file(
            "in/short.csv",
            "id,day,amount,note\n8,2020-01-01,3,\n9,2020-01-01\n",
        )
        .file("in/other.csv", "id,day,amount,remark\n8,2020-01-01,3,\n");
    let syntax = "in/b.csv:3: column `amount`: invalid input syntax for type numeric: \"1.0x\"";
    for (file, filter, expected) in [
        ("in/[ab].csv", Json::Null, syntax),
        ("in/[ab].csv", json!("id > 0"), syntax),
        (
            "in/null.csv",
            Json::Null,
            "in/null.csv:2: null value in column \"id\" of relation \"deposit\" violates not-null constraint",
        ),
        (
            "in/twice.csv",
            Json::Null,
            "in/twice.csv:3: duplicate key value violates unique constraint \"deposit_pkey\" (Key (id)=(8) already exists)",
        ),
        (
            "in/twice.csv",
            json!("id > 0"),
            "in/twice.csv:3: duplicate key value violates unique constraint \"deposit_pkey\" (Key (id)=(8) already exists)",
        ),
        (
            "in/short.csv",
            Json::Null,
            "in/short.csv:3: missing data for column \"amount\"",
        ),
        (
            "in/short.csv",
            json!("id > 0"),
            "in/short.csv:3: 2 fields, expected 4 (`id`, `day`, `amount`, `note`)",
        ),
        (
            "in/other.csv",
            Json::Null,
            "table `deposit` has no column `remark`: it has `id`, `day`, `amount`, `note`",
        ),
        (
            "in/deposit.csv",
            json!("amont > 0"),
            "the records have no `amont`: did you mean `amount`?",
        ),
    ] {
        let copy = json!({ "from": from(file), "to": into("append"), "where": filter });
        assert_eq!(failure(&attempt, &copy).await, expected, "{copy}");
        assert_eq!(
            all(&mut *session, "SELECT count(*) FROM deposit").await,
            ["0"]
        );
    }
    let copy = json!({
        "from": from("in/deposit.csv"),
        "to": { "connection": "db", "table": "public.deposits" },
    });
    assert_eq!(
        failure(&attempt, &copy).await,
        "table `public.deposits` doesn't exist: there is `deposit`"
    );
}

#[tokio::test]
async fn rows_meet_those_that_are_there_as_the_mode_says() {
    let text =
        "id,day,amount,note\n2,2020-01-01,20,first\n2,2020-01-01,22,last\n9,2020-01-01,9,new\n";
    let old = ["1|1|old", "2|2|old"];
    for (mode, sift, expected, written) in [
        ("append", true, vec!["1|1|old", "2|2|old", "9|9|new"], 1),
        ("replace", true, vec!["2|20|first", "9|9|new"], 2),
        ("upsert", false, vec!["1|1|old", "2|22|last", "9|9|new"], 2),
        ("upsert", true, vec!["1|1|old", "2|22|last", "9|9|new"], 2),
        (
            "insert_new",
            false,
            vec!["1|1|old", "2|2|old", "9|9|new"],
            1,
        ),
    ] {
        let (attempt, mut session) = project().await;
        let attempt = attempt.file("in/new.csv", text);
        let insert =
            "INSERT INTO deposit SELECT i, '2020-01-01', i, 'old' FROM generate_series(1, 2) i";
        execute(&mut *session, &[insert]).await;
        let query = "SELECT id, amount, note FROM deposit ORDER BY id";
        assert_eq!(all(&mut *session, query).await, old);
        let copy = json!({
            "from": from("in/new.csv"), "to": into(mode), "on_error": if sift { "skip" } else { "fail" },
        });
        let output = run(&attempt, &copy).await.unwrap();
        assert_eq!(all(&mut *session, query).await, expected, "{mode}");
        assert_eq!(output.outputs["written"], written, "{mode}");
    }
}

#[tokio::test]
async fn rows_without_a_key_never_meet() {
    let (attempt, mut session) = project().await;
    execute(
        &mut *session,
        &["CREATE TABLE loose (code text UNIQUE, n int)"],
    )
    .await;
    let attempt = attempt.file("in/l.csv", "code,n\na,1\n,2\n,3\na,4\n");
    let copy = json!({
        "from": from("in/l.csv"),
        "to": { "connection": "db", "table": "loose", "mode": "upsert", "key": "code" },
    });
    run(&attempt, &copy).await.unwrap();
    let rows = all(&mut *session, "SELECT code, n FROM loose ORDER BY n").await;
    assert_eq!(rows, ["∅|2", "∅|3", "a|4"]);
    assert!(
        attempt
            .log()
            .iter()
            .any(|line| line.contains("1 records had the key of a later one"))
    );
}

#[tokio::test]
async fn bad_records_are_left_out_and_written_down() {
    let (attempt, mut session) = project().await;
    execute(
        &mut *session,
        &[
            "ALTER TABLE deposit ADD CHECK (amount < 1000)",
            "INSERT INTO deposit (id) VALUES (50)",
        ],
    )
    .await;
    let mut text = String::from("id,day,amount,note\n");
    for id in 1..=3000 {
        text += &match id {
            7 => "x,2020-01-01,1,\n".to_owned(),
            50 => "50,2020-01-01,1,twice\n".to_owned(),
            51 => "51,2020-01-01\n".to_owned(),
            2000 => "2000,2020-01-01,1000,\n".to_owned(),
            2001 => "2001,2020-13-01,1,\n".to_owned(),
            id => format!("{id},2020-01-01,1,\n"),
        };
    }
    let attempt = attempt.file("in/bad.csv", text);
    let copy = json!({
        "from": from("in/bad.csv"), "to": into("append"),
        "on_error": "skip", "rejects": "out/rejects.csv",
    });
    let output = run(&attempt, &copy).await.unwrap();
    assert_eq!(output.outputs["written"], 2995);
    assert_eq!(output.outputs["rejected"], 5);
    assert_eq!(
        all(&mut *session, "SELECT count(*) FROM deposit").await,
        ["2996"]
    );
    let rejects = read(&attempt, "out/rejects.csv");
    let mut places: Vec<String> = rejects
        .lines()
        .skip(1)
        .map(|line| line.split(',').take(4).collect::<Vec<_>>().join(","))
        .collect();
    places.sort();
    assert_eq!(
        places,
        [
            "in/bad.csv,2001,,",
            "in/bad.csv,2002,day,",
            "in/bad.csv,51,,",
            "in/bad.csv,52,,",
            "in/bad.csv,8,id,",
        ]
    );
    assert!(rejects.contains("invalid input syntax for type integer"));
    assert!(rejects.contains("violates check constraint"));
    assert!(rejects.contains("2 fields, expected 4"));
}

#[tokio::test]
async fn nested_json_keeps_its_digits() {
    let (attempt, mut session) = project().await;
    let table = "CREATE TABLE ticker (id int GENERATED ALWAYS AS IDENTITY, base text, last_price numeric(30,18), market text, usd numeric, seen timestamptz, stale bool)";
    execute(&mut *session, &[table]).await;
    let attempt = attempt.file(
        "in/t.ndjson",
        concat!(
            r#"{"base":"BTC","last":12345678901.123456789012345678,"market":{"name":"K\u00e9"},"conv":{"usd":[1.10]},"stale":false}"#,
            "\n\n",
            r#"{"base":null,"last":"0.5","market":{},"conv":{},"other":1,"stale":true}"#,
        ),
    );
    let copy = json!({
        "from": from("in/t.ndjson"),
        "to": { "connection": "db", "table": "ticker" },
        "columns": {
            "base": "base", "last_price": "last", "market": "market.name", "usd": "conv.usd[0]",
            "seen": "{{ run.data_interval.start }}", "stale": "stale",
        },
    });
    run(&attempt, &copy).await.unwrap();
    assert_eq!(
        all(&mut *session, "SELECT * FROM ticker ORDER BY id").await,
        [
            "1|BTC|12345678901.123456789012345678|Ké|1.10|2026-08-20 00:00:00+00|false",
            "2|∅|0.500000000000000000|∅|∅|2026-08-20 00:00:00+00|true",
        ]
    );
    let copy =
        json!({ "from": from("in/t.ndjson"), "to": { "connection": "db", "table": "ticker" } });
    let message = failure(&attempt.clone().number(2).item(0, json!(0)), &copy).await;
    assert_eq!(
        message,
        "table `ticker` has no column `last`: it has `id`, `base`, `last_price`, `market`, `usd`, `seen`, `stale`"
    );
}

#[tokio::test]
async fn queries_stream_into_tables_and_files() {
    let (attempt, mut session) = project().await;
    let attempt = attempt.with("params", json!({ "least": 2 }));
    execute(
        &mut *session,
        &[
            "INSERT INTO deposit SELECT i, '2020-01-01', i / 4.0, NULL FROM generate_series(1, 4) i",
            "CREATE TABLE \"Odd Name\" (id bigint, double numeric GENERATED ALWAYS AS (amount * 2) STORED, amount numeric)",
        ],
    )
    .await;
    let query = json!({ "connection": "db", "query": "SELECT id, amount, 0 AS double FROM deposit WHERE id > :least AND day = {{ day }} ORDER BY id", "params": { "day": "2020-01-01" } });
    let mut query = query;
    query["query"] = json!(
        "SELECT id, amount, 0 AS double FROM deposit WHERE id > :least AND day = :day ORDER BY id"
    );
    let copy = json!({ "from": query, "to": { "connection": "db", "table": "Odd Name", "mode": "replace" } });
    run(&attempt, &copy).await.unwrap();
    let rows = all(
        &mut *session,
        "SELECT id, amount, double FROM \"Odd Name\" ORDER BY id",
    )
    .await;
    assert_eq!(rows.len(), 2);
    assert!(rows[0].starts_with("3|0.75"), "{rows:?}");
    let attempt = attempt.item(1, json!(1));
    for (file, expected) in [
        ("out/a.csv", "id,note\n1,\n2,\"\"\n"),
        (
            "out/a.ndjson",
            "{\"id\":1,\"note\":null}\n{\"id\":2,\"note\":\"\"}\n",
        ),
    ] {
        let copy = json!({
            "from": { "connection": "db", "query": "SELECT id, CASE id WHEN 2 THEN '' END AS note FROM deposit WHERE id < 3 ORDER BY 1" },
            "to": { "file": file },
        });
        let output = run(&attempt, &copy).await.unwrap();
        assert_eq!(read(&attempt, file), expected);
        assert_eq!(output.metrics.made, [file]);
        assert_eq!(output.metrics.bytes, Some(expected.len() as u64));
    }
}

#[tokio::test]
async fn datasets_of_all_items_are_one_stream() {
    let (mut attempt, mut session) = project().await;
    let fetch = json!({ "from": from("in/deposit.csv") });
    let mut datasets = Vec::new();
    for item in 0..2 {
        let attempt = attempt.clone().item(item, json!(item));
        let output = run(&attempt, &fetch).await.unwrap();
        datasets.push(output.dataset.unwrap());
    }
    attempt
        .datasets
        .insert(TaskId::new("fetch").unwrap(), datasets);
    let copy = json!({ "from": { "dataset": "fetch" }, "to": into("upsert") });
    let output = run(&attempt, &copy).await.unwrap();
    assert_eq!(output.outputs["rows"], 6);
    assert_eq!(all(&mut *session, ALL).await, ROWS);
}
