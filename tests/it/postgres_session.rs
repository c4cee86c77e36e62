//! Sessions on a real PostgreSQL.

mod ledger;

use runner::connection::{DatabaseError, Fetched};
use serde_json::{Value as Json, json};

use crate::support::connections::{postgres, rows, session, statement};
use crate::support::eventually::{eventually, so};

#[tokio::test]
async fn values_of_every_common_type_arrive() {
    let (connection, _database) = postgres().await;
    let mut session = session(&connection).await;
    session
        .execute(&statement("CREATE TYPE mood AS ENUM ('sad', 'so so')", &[]))
        .await
        .unwrap();
    let digits: Json = serde_json::from_str("12345678901234567890.123456789012345678").unwrap();
    for (text, value, expected) in [
        ("SELECT $1::int", json!(42), "42"),
        ("SELECT $1::smallint", json!("-7"), "-7"),
        ("SELECT $1::bigint", json!(i64::MAX), "9223372036854775807"),
        (
            "SELECT $1::numeric",
            digits.clone(),
            "12345678901234567890.123456789012345678",
        ),
        ("SELECT $1::numeric(10,2)", json!("1.005"), "1.01"),
        ("SELECT $1::float8", json!(0.1), "0.1"),
        ("SELECT $1::bool", json!(true), "true"),
        ("SELECT NOT $1", json!(true), "false"),
        (
            "SELECT $1::text",
            json!("ünï'; DROP TABLE x --"),
            "ünï'; DROP TABLE x --",
        ),
        ("SELECT $1", json!("plain"), "plain"),
        ("SELECT $1::varchar(3)", json!("abcdef"), "abc"),
        ("SELECT $1::char(4) || '|'", json!("ab"), "ab|"),
        ("SELECT $1::bpchar", json!("abc"), "abc"),
        ("SELECT $1::bit varying", json!("1011"), "1011"),
        ("SELECT $1::date", json!("2020-08-20"), "2020-08-20"),
        ("SELECT $1::date + 1", json!("2020-08-20"), "2020-08-21"),
        (
            "SELECT $1::timestamptz",
            json!("2020-08-20T01:00:00+02:00"),
            "2020-08-19 23:00:00+00",
        ),
        (
            "SELECT $1::timestamp",
            json!("2020-08-20T01:00:00.5"),
            "2020-08-20 01:00:00.5",
        ),
        ("SELECT $1::time", json!("12:30"), "12:30:00"),
        ("SELECT $1::interval", json!("90 minutes"), "PT1H30M"),
        (
            "SELECT $1::uuid",
            json!("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ),
        (
            "SELECT $1::jsonb",
            json!({"a": [1, null]}),
            r#"{"a": [1, null]}"#,
        ),
        ("SELECT $1::json", json!([1, "x"]), r#"[1,"x"]"#),
        ("SELECT $1::jsonb ->> 0", json!(["x"]), "x"),
        ("SELECT $1::int[]", json!([1, null, 3]), "{1,NULL,3}"),
        (
            "SELECT $1::text[]",
            json!(["a,b", "c\"d", "\\", "NULL", ""]),
            r#"{"a,b","c\"d","\\","NULL",""}"#,
        ),
        (
            "SELECT $1::int[][]",
            json!([[1, 2], [3, 4]]),
            "{{1,2},{3,4}}",
        ),
        ("SELECT 'b' = ANY($1)", json!(["a", "b"]), "true"),
        ("SELECT $1::bytea", json!("\\xdeadbeef"), r"\xdeadbeef"),
        ("SELECT $1::inet", json!("10.0.0.1/8"), "10.0.0.1/8"),
        ("SELECT $1::int4range", json!("[1,5)"), "[1,5)"),
        ("SELECT $1::mood", json!("so so"), "so so"),
        (
            "SELECT $1::mood[]",
            json!(["so so", "sad"]),
            r#"{"so so",sad}"#,
        ),
        ("SELECT $1::xid", json!("7"), "7"),
        ("SELECT 'x' || $1 || '$1' || $1", json!("y"), "xy$1y"),
    ] {
        let found = rows(&mut *session, text, std::slice::from_ref(&value)).await;
        assert_eq!(found.unwrap(), [expected], "{text} with {value}");
        if text == "SELECT $1" {
            continue; // Nothing would tell its type.
        }
        let asked = format!("SELECT ({}) IS NULL", &text[7..]);
        let null = rows(&mut *session, &asked, &[json!(null)]);
        assert_eq!(null.await.unwrap(), ["true"], "{text} with null");
    }
}

#[tokio::test]
async fn rows_come_as_texts_whatever_their_type_and_form() {
    let (connection, _database) = postgres().await;
    let mut session = session(&connection).await;
    for (text, expected) in [
        ("CREATE TABLE t (a int, b text)", vec!["touched 0"]),
        (
            "INSERT INTO t VALUES (1, 'x'), (2, NULL)",
            vec!["touched 2"],
        ),
        (
            "SELECT a, a, b, a + 1 FROM t ORDER BY a",
            vec!["1|1|x|2", "2|2|∅|3"],
        ),
        (
            "SELECT true, 1.50, '{}'::jsonb, point(1,2), now() IS NULL",
            vec!["true|1.50|{}|(1,2)|false"],
        ),
        (
            "UPDATE t SET a = a + 10 RETURNING a, a",
            vec!["11|11", "12|12"],
        ),
        (
            "WITH d AS (DELETE FROM t WHERE a = 11 RETURNING *) SELECT * FROM d",
            vec!["11|x"],
        ),
        ("VALUES (1, 2)", vec!["1|2"]),
        ("TABLE t", vec!["12|∅"]),
        ("SHOW TimeZone", vec!["UTC"]),
        ("SELECT * FROM t WHERE false", vec![]),
        ("SELECT", vec!["touched 1"]),
        ("SELECT a INTO u FROM t", vec!["touched 1"]),
        ("CREATE TABLE v AS SELECT * FROM t", vec!["touched 1"]),
        ("DO $$ BEGIN NULL; END $$", vec!["touched 0"]),
        ("VACUUM t", vec!["touched 0"]),
    ] {
        assert_eq!(
            rows(&mut *session, text, &[]).await.unwrap(),
            expected,
            "{text}"
        );
    }
    for (text, expected) in [
        ("SELECT a, a, $1 FROM t", vec!["12|12|7"]),
        ("SELECT a, $1::int FROM t -- end", vec!["12|7"]),
        (
            "INSERT INTO t VALUES ($1, 'n') RETURNING a, a, b",
            vec!["7|7|n"],
        ),
        (
            "WITH x AS (INSERT INTO t VALUES ($1, 'm') RETURNING a) SELECT a, true FROM x",
            vec!["7|true"],
        ),
        (
            "WITH x AS (SELECT $1::int AS a) DELETE FROM t USING x WHERE t.a = x.a RETURNING t.a",
            vec!["7", "7"],
        ),
        ("INSERT INTO t VALUES ($1)", vec!["touched 1"]),
        ("CREATE TABLE w AS SELECT $1::int AS a", vec!["touched 1"]),
        (
            "(SELECT $1::int) UNION ALL (SELECT 8) ORDER BY 1",
            vec!["7", "8"],
        ),
        ("VALUES ($1::int, 1)", vec!["7|1"]),
    ] {
        assert_eq!(
            rows(&mut *session, text, &[json!("7")]).await.unwrap(),
            expected,
            "{text}"
        );
    }
    for values in [vec![], vec![json!(1)]] {
        let text = format!(
            "SELECT 1 AS n, 'a' AS n, NULL AS j WHERE false AND {}",
            if values.is_empty() { "true" } else { "$1 = 1" }
        );
        let Fetched::Rows(source) = session.fetch(&statement(&text, &values)).await.unwrap() else {
            panic!("no rows");
        };
        let names: Vec<&str> = source
            .columns()
            .iter()
            .map(|column| &*column.name)
            .collect();
        assert_eq!(names, ["n", "n", "j"]);
    }
}

/// Where the server found the mistake, as the text from there on.
fn place<'a>(error: &DatabaseError, text: &'a str) -> Option<&'a str> {
    match error {
        DatabaseError::Statement { place, .. } => place.map(|place| &text[place.offset..]),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn errors_stand_where_the_mistake_is() {
    let (connection, _database) = postgres().await;
    let mut session = session(&connection).await;
    for (text, values, expected) in [
        ("SELECT 'äöü日本', nothing", vec![], Some("nothing")),
        ("SELEC 1", vec![], Some("SELEC 1")),
        (
            "SELECT '日本', $1::int, $2::text, nothing",
            vec![json!(1), json!(2)],
            Some("nothing"),
        ),
        ("SELECT $1::int, 'x'::int", vec![json!(1)], Some("'x'::int")),
        ("SELECT $1::int", vec![json!("x")], None),
        (
            "INSERT INTO nowhere VALUES ($1)",
            vec![json!(1)],
            Some("nowhere VALUES ($1)"),
        ),
    ] {
        let error = rows(&mut *session, text, &values).await.unwrap_err();
        assert_eq!(place(&error, text), expected, "{text}: {error:?}");
    }
}

#[tokio::test]
async fn notices_are_heard() {
    let (connection, _database) = postgres().await;
    let mut session = session(&connection).await;
    let text =
        "DO $$ BEGIN RAISE NOTICE 'one %', 1; RAISE WARNING 'two'; RAISE INFO 'three'; END $$";
    session.execute(&statement(text, &[])).await.unwrap();
    let heard: Vec<String> = session
        .notices()
        .iter()
        .map(|notice| format!("{}: {}", notice.severity, notice.message))
        .collect();
    assert_eq!(heard, ["NOTICE: one 1", "WARNING: two", "INFO: three"]);
    assert_eq!(session.notices(), []);
}

#[tokio::test]
async fn stopping_ends_the_statement_on_the_server() {
    let (connection, _database) = postgres().await;
    let mut busy = session(&connection).await;
    let mut watcher = session(&connection).await;
    let stopper = busy.stopper();
    let sleeping = tokio::spawn(async move {
        let error = rows(&mut *busy, "SELECT pg_sleep(600)", &[])
            .await
            .unwrap_err();
        (error, rows(&mut *busy, "SELECT 1", &[]).await.unwrap())
    });
    let active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid() AND datname = current_database()";
    eventually(async || {
        let found = rows(&mut *watcher, active, &[]).await.unwrap();
        assert!(!sleeping.is_finished());
        so(found == ["1"], || "a statement asleep")
    })
    .await;
    stopper.stop().await;
    let (error, after) = sleeping.await.unwrap();
    assert!(matches!(error, DatabaseError::Stopped), "{error:?}");
    assert_eq!(after, ["1"]);
    assert_eq!(rows(&mut *watcher, active, &[]).await.unwrap(), ["0"]);
}

#[tokio::test]
async fn a_failed_transaction_is_not_committed_in_silence() {
    let (connection, _database) = postgres().await;
    let mut session = session(&connection).await;
    session.begin().await.unwrap();
    session
        .execute(&statement("CREATE TABLE t (a int)", &[]))
        .await
        .unwrap();
    session
        .execute(&statement("SELECT 1/0", &[]))
        .await
        .unwrap_err();
    assert!(session.commit().await.is_err());
    session.rollback().await.unwrap();
    let found = rows(&mut *session, "SELECT to_regclass('t')::text", &[])
        .await
        .unwrap();
    assert_eq!(found, ["∅"]);
}

#[tokio::test]
async fn the_corpus_of_valid_sql_is_valid() {
    use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqlSafeStr as _};
    let (_, database) = postgres().await;
    let text: std::sync::Arc<str> = include_str!("../data/sql/valid_postgres.sql").into();
    let script = runner::sqltext::Script::parse(&text, runner::sqltext::Dialect::Postgres);
    let mut server = sqlx::PgConnection::connect_with(&database.options)
        .await
        .unwrap();
    let newer = text.find("-- Since PostgreSQL").unwrap();
    let mut wrong = Vec::new();
    for statement in &script.statements {
        let sql = script.statement_text(statement);
        // Only parsed, not executed: a missing table is another error than a syntax error.
        let prepared = server.prepare(AssertSqlSafe(sql).into_sql_str()).await;
        let code = prepared
            .err()
            .and_then(|error| Some(error.as_database_error()?.code()?.into_owned()));
        let later = statement.range.start > newer && server.server_version_num() < Some(170_000);
        if code.as_deref() == Some("42601") && !later {
            wrong.push(sql.to_owned());
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn a_large_result_waits_for_its_reader() {
    let (connection, _database) = postgres().await;
    let mut reader = session(&connection).await;
    let mut watcher = session(&connection).await;
    for values in [vec![], vec![json!("1000000")]] {
        let count = if values.is_empty() { "1000000" } else { "$1" };
        let text =
            format!("SELECT n, repeat('x', 100) AS x FROM generate_series(1, {count}::int) AS n");
        let fetched = reader.fetch(&statement(&text, &values)).await.unwrap();
        let Fetched::Rows(mut source) = fetched else {
            panic!("no rows");
        };
        let mut count = source.next().await.unwrap().unwrap().rows();
        // Nobody takes the other rows, so the server has to keep them.
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND datname = current_database()";
        while rows(&mut *watcher, waits, &[]).await.unwrap() != ["1"] {}
        while let Some(batch) = source.next().await.unwrap() {
            assert!(batch.rows() <= 8192 && batch.bytes() < 1 << 20);
            count += batch.rows();
        }
        assert_eq!(count, 1_000_000);
    }
}

#[tokio::test]
async fn an_embedded_connection_has_a_database_of_its_name() {
    let root = tempfile::tempdir().unwrap();
    let places = crate::support::connections::places(root.path());
    let embedded =
        crate::support::connections::connection("ware-house", "postgres: embedded", &places);
    for _ in 0..2 {
        let mut session = session(&embedded).await;
        let found = rows(&mut *session, "SELECT current_database()", &[])
            .await
            .unwrap();
        assert_eq!(found, ["ware-house"]);
    }
}

#[test]
fn passwords_are_secrets_and_never_shown() {
    let places = crate::support::connections::places(std::path::Path::new("/nonexistent"));
    let yaml = "postgres: { url: \"postgres://ann:hunter%40two@db.example/x\", statement_timeout: 5s, max_connections: 3 }";
    let connection = crate::support::connections::connection("db", yaml, &places);
    assert!(connection.secrets().contains(&"hunter%40two".to_owned()));
    assert!(connection.secrets().contains(&"hunter@two".to_owned()));
    let shown = format!("{connection:?}");
    assert!(!shown.contains("hunter"), "{shown}");
}
