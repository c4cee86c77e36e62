//! A load is there as a whole, and once: second attempts, failures, and who reads meanwhile.

use serde_json::json;

use super::{ALL, ROWS, from, into, project};
use crate::copy::{all, execute, failure, run};

#[tokio::test]
async fn a_second_attempt_does_nothing_again() {
    let (attempt, mut session) = project().await;
    let copy = json!({ "from": from("in/deposit.csv"), "to": into("append") });
    let first = run(&attempt, &copy).await.unwrap();
    // The source may be gone by then.
    std::fs::write(attempt.folder().join("in/deposit.csv"), "nonsense").unwrap();
    let second = run(&attempt.clone().number(2), &copy).await.unwrap();
    assert_eq!(first.outputs, second.outputs);
    assert_eq!(all(&mut *session, ALL).await, ROWS);
}

#[tokio::test]
async fn a_failed_attempt_leaves_nothing_and_the_next_one_loads() {
    let (attempt, mut session) = project().await;
    execute(&mut *session, &["INSERT INTO deposit (id) VALUES (42)"]).await;
    let attempt = attempt.file(
        "in/bad.csv",
        "id,day,amount,note\n1,2020-01-01,1,\n2,x,1,\n",
    );
    let copy = |file: &str| json!({ "from": from(file), "to": into("replace") });
    failure(&attempt, &copy("in/bad.csv")).await;
    assert_eq!(all(&mut *session, "SELECT id FROM deposit").await, ["42"]);
    run(&attempt.clone().number(2), &copy("in/deposit.csv"))
        .await
        .unwrap();
    assert_eq!(all(&mut *session, ALL).await, ROWS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_the_old_rows_or_the_new_ones() {
    for by in ["truncate", "delete"] {
        let (attempt, mut session) = project().await;
        let mut text = String::from("id,day,amount,note\n");
        for id in 0..20_000 {
            text += &format!("{id},2020-01-01,1,{id}\n");
        }
        let attempt = attempt.file("in/many.csv", text);
        let to =
            json!({ "connection": "db", "table": "deposit", "mode": "replace", "replace_by": by });
        let copy = json!({ "from": from("in/many.csv"), "to": to });
        execute(
            &mut *session,
            &["INSERT INTO deposit (id) VALUES (1), (2), (3)"],
        )
        .await;
        // A snapshot from before the load, which reads the table only after it.
        let connection = attempt.connections.get("db").unwrap().clone();
        let mut older = crate::support::connections::session(&connection).await;
        execute(
            &mut *older,
            &["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1"],
        )
        .await;
        let loading = {
            let (attempt, copy) = (attempt.clone(), copy.clone());
            tokio::spawn(async move { run(&attempt, &copy).await.map(drop) })
        };
        let mut seen = std::collections::BTreeSet::new();
        while !loading.is_finished() {
            seen.extend(all(&mut *session, "SELECT count(*) FROM deposit").await);
        }
        loading.await.unwrap().unwrap();
        seen.extend(all(&mut *session, "SELECT count(*) FROM deposit").await);
        seen.extend(all(&mut *older, "SELECT count(*) FROM deposit").await);
        let seen: Vec<String> = seen.into_iter().collect();
        assert!(
            seen.iter().all(|count| count == "3" || count == "20000"),
            "{by}: {seen:?}"
        );
    }
}

#[tokio::test]
async fn a_table_may_be_read_while_it_is_replaced() {
    let (attempt, mut session) = project().await;
    execute(
        &mut *session,
        &["INSERT INTO deposit SELECT i, NULL, i, NULL FROM generate_series(1, 50000) i"],
    )
    .await;
    let copy = json!({
        "from": { "connection": "db", "query": "SELECT * FROM deposit" },
        "to": into("replace"),
        "where": "id % 2 == 0",
    });
    run(&attempt, &copy).await.unwrap();
    let rows = all(&mut *session, "SELECT count(*), min(id) FROM deposit").await;
    assert_eq!(rows, ["25000|2"]);
}
