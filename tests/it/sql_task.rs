//! The task that executes SQL.

mod once;

use std::sync::Arc;
use std::time::Duration;

use runner::connection::Connection;
use runner::model::{ConnectionId, FailureKind};
use runner::task::{Guarantee, KINDS, TaskKind, TaskResult};
use serde_json::{Value as Json, json};

use crate::support::attempt::Attempt;
use crate::support::connections::{connection, places, postgres, rows, session};
use crate::support::eventually::{eventually, so};

fn kind() -> &'static TaskKind {
    KINDS
        .iter()
        .find(|kind| kind.name == "sql")
        .expect("a kind")
}

fn with(attempt: Attempt, name: &str, connection: Arc<dyn Connection>) -> Attempt {
    let mut attempt = attempt;
    let id = ConnectionId::new(name).expect("a name");
    attempt.connections.insert(id, connection);
    attempt
}

/// An attempt with an empty PostgreSQL database, `db`.
async fn scene() -> (Attempt, Arc<dyn Connection>) {
    let (connection, _) = postgres().await;
    (
        with(Attempt::new(), "db", Arc::clone(&connection)),
        connection,
    )
}

async fn run(attempt: &Attempt, script: &str) -> TaskResult {
    let value = json!({ "connection": "db", "script": script });
    attempt.run(kind(), &value).await
}

async fn query(connection: &Arc<dyn Connection>, sql: &str) -> Vec<String> {
    let mut session = session(connection).await;
    rows(&mut *session, sql, &[]).await.expect("an answer")
}

#[tokio::test]
async fn the_last_rows_are_the_dataset() {
    let (attempt, _) = scene().await;
    let output = run(
        &attempt,
        "create table t (a int, price numeric); \
         insert into t values (1, 1.10), (2, 12345678901234567890.5); \
         select 'other'; \
         select a, price, a from t order by a; \
         drop table t",
    )
    .await
    .unwrap();
    assert_eq!(
        Json::Object(output.outputs).to_string(),
        r#"{"first":{"a":1,"price":1.10,"a_2":1},"rows":2,"columns":["a","price","a_2"]}"#
    );
    let dataset = output.dataset.unwrap();
    assert_eq!(dataset.rows, 2);
    let text =
        std::fs::read_to_string(attempt.folder().join(".runner").join(dataset.path)).unwrap();
    assert_eq!(
        text,
        "{\"a\":1,\"price\":1.10,\"a_2\":1}\n{\"a\":2,\"price\":12345678901234567890.5,\"a_2\":2}\n"
    );
    let log: Vec<String> = attempt
        .log()
        .iter()
        .map(|line| {
            line.rsplit_once(',')
                .map_or(line.clone(), |(start, _)| start.to_owned())
        })
        .collect();
    assert_eq!(
        log,
        [
            "info  1/5 create table t (a int, price numeric) (0 rows",
            "info  2/5 insert into t values (1, 1.10), (2, 12345678901234567890.5) (2 rows",
            "info  3/5 select 'other' (1 row",
            "warn  some columns have the same name: they get numbers (`n_2`); give them names with `AS`",
            "info  4/5 select a, price, a from t order by a (2 rows",
            "info  5/5 drop table t (0 rows",
        ]
    );
}

#[tokio::test]
async fn values_are_bound_and_never_pasted() {
    let (attempt, connection) = scene().await;
    let attempt = attempt
        .with("params", json!({ "day": "2020-08-20", "evil": "x'); drop table t; --", "table": "odd \"name" }))
        .file("sql/a.sql", "create table :\"table\" (day date, text text, n numeric, list int[]);\n\
            insert into :\"table\" values (:day, :evil, {{ 1 + 1 }}, :list);\n\
            -- :comment {{ nothing }} and ':quoted'\n\
            select day, text, n, list, :'day'::date + 1 as next, ':day' as colon from :\"table\" where day = :day");
    let value =
        json!({ "connection": "db", "file": "sql/a.sql", "params": { "list": [1, "{{ 2 }}"] } });
    let output = attempt.run(kind(), &value).await.unwrap();
    assert_eq!(
        output.outputs["first"],
        json!({"day": "2020-08-20", "text": "x'); drop table t; --", "n": 2, "list": "{1,2}", "next": "2020-08-21", "colon": ":day"})
    );
    let found = query(&connection, "select count(*) from \"odd \"\"name\"").await;
    assert_eq!(found, ["1"]);
}

#[tokio::test]
async fn an_error_at_any_statement_leaves_nothing_behind() {
    let statements = [
        "create table t (a int primary key)",
        "insert into t values (1), (2)",
        "copy t from stdin;\n3\n4\n\\.\n",
        "update t set a = a + 10",
        "create index on t (a)",
        "do $$ begin insert into t values (100); end $$",
        "select count(*) from t",
    ];
    let (attempt, connection) = scene().await;
    for broken in 0..=statements.len() {
        let mut script = statements.to_vec();
        script.insert(broken, "select 1/0");
        let failure = run(&attempt, &script.join(";\n")).await.unwrap_err();
        let message = failure.cause.message;
        assert_eq!(failure.cause.kind, FailureKind::Permanent, "{message}");
        assert!(message.starts_with("division by zero\n"), "{message}");
        let left = query(
            &connection,
            "select count(*) from pg_class where relnamespace = 'public'::regnamespace",
        )
        .await;
        assert_eq!(left, ["0"], "error at {broken}");
    }
    // The same without the error, in the same generation.
    let output = run(&attempt, &statements.join(";\n")).await.unwrap();
    assert_eq!(output.outputs["first"], json!({ "count": 5 }));
}

#[tokio::test]
async fn errors_stand_at_their_place_in_the_script() {
    let (attempt, _) = scene().await;
    let attempt = attempt.with("params", json!({ "day": "2020-08-20", "text": "x" }));
    for (script, expected) in [
        (
            "-- ä\nselect 1;\n\nselect '日本', :day::date,\n  {{ 'ü' }} || nothing\nfrom (select 1) as x;\n",
            "column \"nothing\" does not exist\n --> sql/a.sql:5:16\n  |\n5 |   {{ 'ü' }} || nothing\n  |                ^\n = code: 42703",
        ),
        (
            "create table t (a int check (a > 0));\n  insert into t values (1), (-1)",
            "new row for relation \"t\" violates check constraint \"t_a_check\"\n --> sql/a.sql:2:3\n  |\n2 |   insert into t values (1), (-1)\n  |   ^\n = detail: Failing row contains (-1).\n = code: 23514",
        ),
        (
            "select 1 where :text::int = 1",
            "invalid input syntax for type integer: \"x\"\n --> sql/a.sql:1:1\n  |\n1 | select 1 where :text::int = 1\n  | ^\n = code: 22P02",
        ),
        (
            "create table t (a int);\ncopy t from stdin;\n1\nx\n\\.\n",
            "invalid input syntax for type integer: \"x\"\n --> sql/a.sql:2:1\n  |\n2 | copy t from stdin;\n  | ^\n = context: COPY t, line 2, column a: \"x\"\n = code: 22P02",
        ),
        (
            "select lenght('x')",
            "function lenght(unknown) does not exist\n --> sql/a.sql:1:8\n  |\n1 | select lenght('x')\n  |        ^\n = hint: No function matches the given name and argument types. You might need to add explicit type casts.\n = code: 42883",
        ),
        (
            "do $$ begin\n  perform 1/0;\nend $$",
            "division by zero\n --> sql/a.sql:1:1\n  |\n1 | do $$ begin\n  | ^\n = context: SQL statement \"SELECT 1/0\"\n     PL/pgSQL function inline_code_block line 2 at PERFORM\n = code: 22012",
        ),
    ] {
        let attempt = attempt.clone().file("sql/a.sql", script);
        let value = json!({ "connection": "db", "file": "sql/a.sql" });
        let failure = attempt.run(kind(), &value).await.unwrap_err();
        assert_eq!(&*failure.cause.message, expected);
    }
}

#[tokio::test]
async fn statements_that_stand_alone_are_sent_alone() {
    let (attempt, connection) = scene().await;
    let value = json!({
        "connection": "db",
        "transaction": "none",
        "script": "create table t (a int); create index concurrently i on t (a); vacuum (analyze) t; \
                   insert into t values (1); select 1/0; insert into t values (2)",
    });
    let task = attempt.parse(kind(), &value).task();
    assert!(matches!(task.guarantee(), Guarantee::AtLeastOnce { .. }));
    let failure = task.run(&attempt.context()).await.unwrap_err();
    assert!(
        failure.cause.message.starts_with("division by zero"),
        "{}",
        failure.cause.message
    );
    assert_eq!(query(&connection, "select * from t").await, ["1"]);
    assert_eq!(
        query(
            &connection,
            "select indisvalid from pg_index where indexrelid = 'i'::regclass"
        )
        .await,
        ["true"]
    );
}

#[tokio::test]
async fn mistakes_are_told_before_a_run() {
    let (attempt, _) = scene().await;
    let attempt = with(
        attempt,
        "lite",
        connection(
            "lite",
            "sqlite: a.db",
            &places(std::path::Path::new("/nonexistent")),
        ),
    )
    .with("params", json!({ "day": "2020-08-20" }));
    for (value, expected) in [
        (
            json!({ "connection": "db" }),
            "error[missing-key]: a sql task needs `file` or `script`\n  at { connection: \"db\", }: add `file:` or `script:`\n",
        ),
        (
            json!({ "connection": "dbx", "script": "select 1" }),
            "error[unknown-connection]: connection `dbx` doesn't exist\n  at \"dbx\": did you mean `db`?\n",
        ),
        (
            json!({ "connection": "db", "script": "select 1; selct 2" }),
            "error[sql-syntax]: syntax error at `selct`: expected a statement\n  at selct: \n",
        ),
        (
            json!({ "connection": "db", "script": "select :dya" }),
            "error[unknown-param]: parameter `:dya` doesn't exist\n  at :dya: \n  help: did you mean `:day`?\n",
        ),
        (
            json!({ "connection": "db", "script": "select {{ params.dya }}" }),
            "error[unknown-variable]: `params.dya` doesn't exist here\n  at params.dya: did you mean `params.day`?\n",
        ),
        (
            json!({ "connection": "db", "script": "vacuum t" }),
            "error[sql-not-in-transaction]: `VACUUM` can't be in a transaction, and the script is one\n  at vacuum: \n  help: put it into a task of its own with `transaction: none`\n",
        ),
        (
            json!({ "connection": "db", "script": "begin; select 1; commit" }),
            "error[sql-transaction]: `BEGIN` has no place here: the script is one transaction already\n  at begin: \n  help: leave it out, or say `transaction: none`; then the script is at-least-once\nerror[sql-transaction]: `COMMIT` has no place here: the script is one transaction already\n  at commit: \n  help: leave it out, or say `transaction: none`; then the script is at-least-once\n",
        ),
        (
            json!({ "connection": "db", "script": "create view v as select :day" }),
            "error[sql-no-values]: PostgreSQL takes no values in `CREATE VIEW`\n  at :day: \n  help: values are bound in queries only: SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, CREATE TABLE … AS; an identifier can be put in as `:\"name\"`\n",
        ),
        (
            json!({ "connection": "db", "script": "copy t to stdout" }),
            "error[sql-copy-out]: the output of `COPY … TO STDOUT` has nowhere to go\n  at copy: \n  help: a `copy` task writes a query's rows into a file\n",
        ),
        (
            json!({ "connection": "lite", "script": "select 'a" }),
            "error[sql-unclosed]: this string isn't closed\n  at ': \n",
        ),
        (
            json!({ "connection": "db", "script": " -- nothing" }),
            "error[sql-empty]: `task.sql.script` has no statement\n  at : \n",
        ),
        (
            json!({ "connection": "db", "script": "select 1", "transaction": "non" }),
            "error[unknown-value]: unknown transaction `non`\n  at \"non\": did you mean `none`?\n",
        ),
    ] {
        let parsed = attempt.parse(kind(), &value);
        assert_eq!(parsed.messages(), expected, "{value}");
        assert!(parsed.task.is_none(), "{value}");
    }
}

#[tokio::test]
async fn sqlite_scripts_work_the_same() {
    let attempt = Attempt::new().with("params", json!({ "day": "2020-08-20" }));
    let lite = connection("db", "sqlite: data/a.db", &places(attempt.folder()));
    let attempt = with(attempt, "db", lite);
    let script = "create table t (day text, n real); insert into t values (:day, 1.5), (:day, {{ 2 }}); select day, sum(n) as total from t group by day";
    let output = run(&attempt, script).await.unwrap();
    assert_eq!(
        output.outputs["first"],
        json!({ "day": "2020-08-20", "total": 3.5 })
    );
    let failure = run(
        &attempt.clone().with("item", json!(1)).item(1, json!(1)),
        "create table u (a);\nselect nowhere from t",
    )
    .await
    .unwrap_err();
    assert_eq!(
        &*failure.cause.message,
        "no such column: nowhere\n --> task.sql.script:2:8\n  |\n2 | select nowhere from t\n  |        ^\n = code: 1"
    );
}

#[tokio::test]
async fn cancelling_ends_the_statement_on_the_server() {
    let (attempt, connection) = scene().await;
    let running = {
        let attempt = attempt.clone();
        tokio::spawn(async move { run(&attempt, "create table t (); select pg_sleep(600)").await })
    };
    let mut watcher = session(&connection).await;
    let active = "select count(*) from pg_stat_activity where application_name = 'runner dag/task' and state = 'active' and query like '%pg_sleep%'";
    eventually(async || {
        let found = rows(&mut *watcher, active, &[]).await.unwrap();
        assert!(!running.is_finished());
        so(found == ["1"], || "a statement asleep")
    })
    .await;
    attempt.cancel.cancel();
    let failure = tokio::time::timeout(Duration::from_secs(20), running)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert_eq!(&*failure.cause.message, "cancelled");
    let gone = "select count(*) from pg_stat_activity where application_name = 'runner dag/task' and state = 'active'";
    eventually(async || {
        let found = rows(&mut *watcher, gone, &[]).await.unwrap();
        so(found == ["0"], || "its end on the server")
    })
    .await;
    assert_eq!(
        query(&connection, "select to_regclass('t')::text").await,
        ["∅"]
    );
}

#[tokio::test]
async fn notices_are_in_the_log() {
    let (attempt, _) = scene().await;
    run(&attempt, "do $$ begin raise notice 'hello %', 1; raise warning 'careful'; end $$; drop table if exists nowhere").await.unwrap();
    let log: Vec<String> = attempt
        .log()
        .into_iter()
        .filter(|line| !line.contains('/'))
        .collect();
    assert_eq!(
        log,
        [
            "info  notice: hello 1",
            "warn  warning: careful",
            "info  notice: table \"nowhere\" does not exist, skipping"
        ]
    );
}
