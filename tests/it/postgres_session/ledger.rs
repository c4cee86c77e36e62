//! The ledger of loads: who is first, who waits, and who may make it.

use runner::connection::{Claim, DatabaseError, LedgerKey};
use serde_json::json;

use crate::support::connections::{postgres, rows, session, statement};
use crate::support::eventually::{eventually, so};

fn key(run: &str) -> LedgerKey {
    LedgerKey {
        run: run.to_owned(),
        task: "load".to_owned(),
        item: -1,
        generation: 0,
    }
}

#[tokio::test]
async fn a_second_attempt_waits_for_the_first_and_learns_its_result() {
    let (connection, _database) = postgres().await;
    let mut zombie = session(&connection).await;
    zombie.begin().await.unwrap();
    assert_eq!(zombie.claim(&key("r")).await.unwrap(), Claim::New);
    let mut second = session(&connection).await;
    let mut watcher = session(&connection).await;
    let waiting = tokio::spawn(async move {
        second.begin().await.unwrap();
        second.claim(&key("r")).await.unwrap()
    });
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    eventually(async || {
        let found = rows(&mut *watcher, blocked, &[]).await.unwrap();
        assert!(!waiting.is_finished());
        so(found == ["1"], || "a claim that waits")
    })
    .await;
    let result = json!({"rows": 3, "b": 1, "a": 2});
    zombie.settle(&key("r"), &result).await.unwrap();
    assert_eq!(watcher.settled(&key("r")).await.unwrap(), None);
    zombie.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap(), Claim::Done(result.clone()));
    assert_eq!(watcher.settled(&key("r")).await.unwrap(), Some(result));
    // A load that was rolled back is as new as before.
    for _ in 0..2 {
        zombie.begin().await.unwrap();
        assert_eq!(zombie.claim(&key("other")).await.unwrap(), Claim::New);
        zombie.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn the_ledger_is_made_by_many_at_once() {
    let (_, database) = postgres().await;
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let url = database.url.clone();
            tokio::spawn(async move {
                let yaml = format!("postgres: {{ url: \"{url}\", max_connections: 2 }}");
                let places =
                    crate::support::connections::places(std::path::Path::new("/nonexistent"));
                let own = crate::support::connections::connection("own", &yaml, &places);
                let mut session = session(&own).await;
                session.begin().await.unwrap();
                let claim = session.claim(&key(&format!("r{number}"))).await.unwrap();
                session.commit().await.unwrap();
                claim
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Claim::New);
    }
}

#[tokio::test]
async fn who_may_not_make_the_ledger_is_told_what_to_grant() {
    let (connection, database) = postgres().await;
    let mut admin = session(&connection).await;
    let role = format!("limited_{}", database.name);
    admin
        .execute(&statement(&format!("CREATE ROLE {role} LOGIN"), &[]))
        .await
        .unwrap();
    let yaml = format!(
        "postgres: \"{}\"",
        database
            .url
            .replace("user=postgres", &format!("user={role}"))
    );
    let places = crate::support::connections::places(std::path::Path::new("/nonexistent"));
    let limited = crate::support::connections::connection("limited", &yaml, &places);
    let mut session = session(&limited).await;
    session.begin().await.unwrap();
    match session.claim(&key("r")).await.unwrap_err() {
        DatabaseError::Statement { message, hint, .. } => {
            assert!(
                message.contains("the ledger of loads can't be made"),
                "{message}"
            );
            let hint = hint.unwrap();
            assert!(
                hint.contains(&format!("CREATE SCHEMA runner AUTHORIZATION \"{role}\"")),
                "{hint}"
            );
            // What it says helps.
            let grant = hint.split('`').nth(1).unwrap();
            admin.execute(&statement(grant, &[])).await.unwrap();
        }
        other => panic!("{other:?}"),
    }
    session.rollback().await.unwrap();
    session.begin().await.unwrap();
    assert_eq!(session.claim(&key("r")).await.unwrap(), Claim::New);
}
