//! What is done once: a commit that an attempt repeats, or never heard of.

use serde_json::json;

use super::{query, run, scene, with};
use crate::support::attempt::Attempt;
use crate::support::connections::{connection, places, postgres};
use crate::support::proxy::{Fate, Proxy};

#[tokio::test]
async fn a_retry_after_a_commit_does_nothing_again() {
    let (attempt, connection) = scene().await;
    run(&attempt, "create table t (a int)").await.unwrap();
    let mut next = attempt.clone();
    next.id.generation = 1;
    let script = "insert into t values (1) returning a";
    let first = run(&next, script).await.unwrap();
    let second = run(&next.clone().number(2), script).await.unwrap();
    assert_eq!(first.outputs, second.outputs);
    assert_eq!(second.outputs["first"], json!({ "a": 1 }));
    assert_eq!(query(&connection, "select count(*) from t").await, ["1"]);
    // A person clears the task: a new generation.
    next.id.generation = 2;
    run(&next, script).await.unwrap();
    assert_eq!(query(&connection, "select count(*) from t").await, ["2"]);
}

#[tokio::test]
async fn reading_leaves_no_trace_unless_a_function_writes() {
    let (attempt, connection) = scene().await;
    run(&attempt, "select 1").await.unwrap();
    assert_eq!(
        query(
            &connection,
            "select to_regclass('runner.load_ledger')::text"
        )
        .await,
        ["∅"]
    );
    query(&connection, "create table t (a int)").await;
    query(
        &connection,
        "create function add() returns int language sql as 'insert into t values (1) returning a'",
    )
    .await;
    for number in 1..=2 {
        let output = run(&attempt.clone().number(number), "select add() as a")
            .await
            .unwrap();
        assert_eq!(output.outputs["first"], json!({ "a": 1 }));
    }
    assert_eq!(query(&connection, "select count(*) from t").await, ["1"]);
}

#[tokio::test]
async fn a_lost_commit_is_asked_after() {
    let (direct, database) = postgres().await;
    let proxy = Proxy::new(&database.socket_dir);
    let options = format!("host={}&port=5432&user=postgres", proxy.folder().display());
    let yaml = format!("postgres: \"postgresql:///{}?{options}\"", database.name);
    let through = connection("db", &yaml, &places(std::path::Path::new("/nonexistent")));
    let attempt = with(Attempt::new(), "db", through);
    query(&direct, "create table t (a int)").await;
    let script = "insert into t values (1) returning a";
    // It took effect: the ledger says so, and what it has left is there.
    proxy.next_commit(Fate::Answer);
    let output = run(&attempt, script).await.expect("an output");
    assert_eq!(output.outputs["first"], json!({ "a": 1 }));
    assert_eq!(query(&direct, "select count(*) from t").await, ["1"]);
    let log = attempt.log();
    assert!(
        log.iter()
            .any(|line| line.contains("the ledger says that COMMIT took effect")),
        "{log:?}"
    );
    // It didn't: it is done again, and a later attempt finds it done.
    let mut cleared = attempt.clone();
    cleared.id.generation = 1;
    proxy.next_commit(Fate::Question);
    for number in 1..=2 {
        run(&cleared.clone().number(number), script)
            .await
            .expect("an output");
        assert_eq!(query(&direct, "select count(*) from t").await, ["2"]);
    }
}
