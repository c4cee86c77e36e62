//! Partitions that come and go in the middle of a batch.

use serde_json::{Value as Json, json};

use super::moments::rounds;
use super::stage::{Stage, Ways, stop, stream};
use crate::support::attempt::Attempt;
use crate::support::connections::{connection, places, postgres, session, statement};
use crate::support::eventually::{eventually, so};
use crate::support::kafka::brokers;
use crate::support::kafka_proxy::{Api, KafkaProxy};

/// A batch with the number 1000 or any other thousand stands still until the lock is free.
const GATE: &[&str] = &[
    "CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END $$",
    "CREATE TRIGGER gate BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.n % 1000 = 500) EXECUTE FUNCTION gate()",
];
const WAITING: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()";
const COUNT: &str = "SELECT count(*) FROM t";

/// A stage whose consumers reach the broker through proxies of their own.
async fn scene() -> (Stage, [KafkaProxy; 2], [Attempt; 2]) {
    let direct = brokers().await;
    let proxies = [KafkaProxy::new(direct).await, KafkaProxy::new(direct).await];
    let (database, _) = postgres().await;
    let events = |address: &str| {
        // The shortest that brokers allow.
        let properties = "{ session.timeout.ms: 6000, enable.sparse.connections: false }";
        let yaml = format!("kafka: {{ brokers: \"{address}\", properties: {properties} }}");
        connection(
            "events",
            &yaml,
            &places(std::path::Path::new("/nonexistent")),
        )
    };
    let ways = Ways {
        database: database.clone(),
        tasks_database: database,
        kafka: events(direct),
        tasks_kafka: events(&proxies[0].address()),
    };
    let mut stage = Stage::between(ways).await;
    for text in GATE {
        stage.session.execute(&statement(text, &[])).await.unwrap();
    }
    let first = stage.attempt.clone();
    let mut second = first.clone().item(1, json!(1));
    let name = runner::model::ConnectionId::new("events").unwrap();
    second
        .connections
        .insert(name, events(&proxies[1].address()));
    (stage, proxies, [first, second])
}

/// The attempt anew, as nobody has cancelled it.
fn anew(attempt: &Attempt) -> Attempt {
    let mut attempt = attempt.clone();
    attempt.cancel = tokio_util::sync::CancellationToken::new();
    attempt
}

fn endless(stage: &Stage) -> Json {
    stage.copy(&json!({ "until": "stopped", "every": "10ms", "batch": 40 }))
}

#[tokio::test]
async fn a_batch_in_the_middle_of_which_the_group_changes_is_loaded_once() {
    let (mut stage, proxies, [first, second]) = scene().await;
    let mut gate = session(stage.attempt.connections.get("db").unwrap()).await;
    let copy = endless(&stage);
    let running = stream(&first, &copy);
    let mut end = 0;
    for round in 0..rounds(10) {
        // All thirty of them before the gate, or in the batch that stands at it, or behind.
        gate.execute(&statement("SELECT pg_advisory_lock(7)", &[]))
            .await
            .unwrap();
        let (start, next) = (end, 1000 * i32::try_from(round).unwrap() + 490);
        stage.send_numbers(next..next + 30).await;
        end += 30;
        stage.until(WAITING, "true").await;
        // Another one comes: the group waits for the batch, and the batch for the gate.
        let other = anew(&second);
        let asked = proxies[1].asked(Api::JoinGroup);
        let coming = stream(&other, &copy);
        eventually(async || {
            so(
                proxies[1].asked(Api::JoinGroup) > asked,
                || "no new consumer",
            )
        })
        .await;
        gate.execute(&statement("SELECT pg_advisory_unlock(7)", &[]))
            .await
            .unwrap();
        stage.until(COUNT, &end.to_string()).await;
        // And goes in the middle of what comes then.
        stage.send_numbers(next + 30..next + 60).await;
        end += 30;
        let some = format!("SELECT count(*) > {} FROM t", start + 30);
        stage.until(&some, "true").await;
        stop(&other, coming).await;
        stage.until(COUNT, &end.to_string()).await;
    }
    stop(&first, running).await;
    let found = stage
        .rows("SELECT count(*), count(DISTINCT n) FROM t")
        .await;
    assert_eq!(found, [format!("{end}|{end}")]);
}

#[tokio::test]
async fn a_batch_of_a_consumer_that_the_group_has_given_up_is_refused_or_loaded_once() {
    let (mut stage, proxies, [first, second]) = scene().await;
    let mut gate = session(stage.attempt.connections.get("db").unwrap()).await;
    let copy = endless(&stage);
    let mut end = 0;
    for round in 0..rounds(2) {
        let (cut_off, other) = (anew(&first), anew(&second));
        let running = stream(&cut_off, &copy);
        gate.execute(&statement("SELECT pg_advisory_lock(7)", &[]))
            .await
            .unwrap();
        // Some wait behind the batch that stands at the gate, read already.
        let next = 1000 * i32::try_from(round).unwrap() + 450;
        stage.send_numbers(next..next + 200).await;
        end += 200;
        stage.until(WAITING, "true").await;
        // The group doesn't hear of the first one any more, and gives all to the other.
        proxies[0].flow(false);
        let taking = stream(&other, &copy);
        let told = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event <> 'advisory' AND datname = current_database()";
        stage.until(told, "true").await;
        gate.execute(&statement("SELECT pg_advisory_unlock(7)", &[]))
            .await
            .unwrap();
        stage.until(COUNT, &end.to_string()).await;
        proxies[0].flow(true);
        // It finds that others have its partitions, and shares them.
        stage.send_numbers(next + 200..next + 260).await;
        end += 60;
        stage.until(COUNT, &end.to_string()).await;
        stop(&cut_off, running).await;
        stop(&other, taking).await;
    }
    let found = stage
        .rows("SELECT count(*), count(DISTINCT n) FROM t")
        .await;
    assert_eq!(found, [format!("{end}|{end}")]);
    let log = first.log();
    let told = "info  a partition was taken over by another consumer: joins anew";
    assert!(log.iter().any(|line| line == told), "{log:#?}");
}
