//! Sessions on SQLite files.

use std::path::Path;
use std::sync::Arc;

use runner::connection::{Claim, Connection, DatabaseError, LedgerKey};
use serde_json::json;

use crate::support::connections::{connection, places, rows, session, statement};

fn sqlite(root: &Path) -> Arc<dyn Connection> {
    connection("results", "sqlite: data/results.db", &places(root))
}

#[tokio::test]
async fn values_and_rows_keep_their_types() {
    let root = tempfile::tempdir().unwrap();
    let mut session = session(&sqlite(root.path())).await;
    for (text, values, expected) in [
        (
            "CREATE TABLE t (a INTEGER, b REAL, c TEXT, d BOOLEAN, e)",
            vec![],
            vec!["touched 0"],
        ),
        (
            "INSERT INTO t VALUES ($1, $2, $3, $4, $5)",
            vec![
                json!(1),
                json!(0.1),
                json!("x'; --"),
                json!(true),
                json!([1]),
            ],
            vec!["touched 1"],
        ),
        ("SELECT * FROM t", vec![], vec!["1|0.1|x'; --|true|[1]"]),
        (
            "SELECT a, a, $1 + 1, x'ff' FROM t",
            vec![json!(2)],
            vec![r"1|1|3|\xff"],
        ),
        ("SELECT count(*), NULL FROM t", vec![], vec!["1|∅"]),
        ("SELECT * FROM t WHERE c = $1", vec![json!(null)], vec![]),
        ("UPDATE t SET a = 5 RETURNING a", vec![], vec!["5"]),
        ("CREATE TABLE u (a)", vec![], vec!["touched 0"]),
    ] {
        assert_eq!(
            rows(&mut *session, text, &values).await.unwrap(),
            expected,
            "{text}"
        );
    }
}

#[tokio::test]
async fn the_ledger_knows_committed_loads() {
    let root = tempfile::tempdir().unwrap();
    let sqlite = sqlite(root.path());
    let mut session = session(&sqlite).await;
    let key = LedgerKey {
        run: "r".to_owned(),
        task: "t".to_owned(),
        item: 3,
        generation: 1,
    };
    assert_eq!(session.settled(&key).await.unwrap(), None);
    session.begin().await.unwrap();
    assert_eq!(session.claim(&key).await.unwrap(), Claim::New);
    session.rollback().await.unwrap();
    session.begin().await.unwrap();
    assert_eq!(session.claim(&key).await.unwrap(), Claim::New);
    session.settle(&key, &json!({"rows": 2})).await.unwrap();
    session.commit().await.unwrap();
    assert_eq!(
        session.settled(&key).await.unwrap(),
        Some(json!({"rows": 2}))
    );
    session.begin().await.unwrap();
    assert_eq!(
        session.claim(&key).await.unwrap(),
        Claim::Done(json!({"rows": 2}))
    );
}

#[tokio::test]
async fn stopping_ends_an_endless_statement() {
    let root = tempfile::tempdir().unwrap();
    let mut session = session(&sqlite(root.path())).await;
    let stopper = session.stopper();
    session.begin().await.unwrap();
    session
        .execute(&statement("CREATE TABLE t (a)", &[]))
        .await
        .unwrap();
    let endless =
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
    let (ended, ()) = tokio::join!(
        async { rows(&mut *session, endless, &[]).await.unwrap_err() },
        async { stopper.stop().await }
    );
    assert!(matches!(ended, DatabaseError::Stopped), "{ended:?}");
    session.rollback().await.unwrap();
    let left = rows(&mut *session, "SELECT count(*) FROM sqlite_schema", &[])
        .await
        .unwrap();
    assert_eq!(left, ["0"]);
}

#[tokio::test]
async fn errors_name_a_place_and_a_way_out() {
    let root = tempfile::tempdir().unwrap();
    let mut session = session(&sqlite(root.path())).await;
    match rows(&mut *session, "SELECT 1 FROM nowhere", &[])
        .await
        .unwrap_err()
    {
        DatabaseError::Statement {
            message,
            place,
            retryable,
            ..
        } => {
            assert_eq!(message, "no such table: nowhere");
            assert_eq!(place.map(|place| place.offset), Some(14));
            assert!(!retryable);
        }
        other => panic!("{other:?}"),
    }
}
