//! From topic to topic in a transaction, while a question or an answer is lost, or the broker with it.

use std::path::Path;
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use runner::connection::Connection;
use serde_json::{Value as Json, json};

use super::moments::rounds;
use super::stage::{Stage, Ways};
use crate::support::connections::{connection, places, postgres};
use crate::support::kafka::{Broker, brokers};
use crate::support::kafka_proxy::{Api, FATES, KafkaProxy};

/// What a transaction that reads a topic asks, in about this order.
const ASKED: &[Api] = &[
    Api::Metadata,
    Api::FindCoordinator,
    Api::InitProducerId,
    Api::JoinGroup,
    Api::SyncGroup,
    Api::OffsetFetch,
    Api::ListOffsets,
    Api::Fetch,
    Api::AddPartitionsToTxn,
    Api::Produce,
    Api::AddOffsetsToTxn,
    Api::TxnOffsetCommit,
    Api::EndTxn,
];

/// Brokers whose clients look for all of them at once, which is half a second sooner.
fn quick(brokers: &str) -> Arc<dyn Connection> {
    let properties = "{ enable.sparse.connections: false }";
    let yaml = format!("kafka: {{ brokers: \"{brokers}\", properties: {properties} }}");
    connection("events", &yaml, &places(Path::new("/nonexistent")))
}

/// Where the broker is killed: at the end of a transaction, and just before.
const KILLED_AT: &[Api] = &[
    Api::EndTxn,
    Api::EndTxn,
    Api::EndTxn,
    Api::TxnOffsetCommit,
    Api::Produce,
];

async fn stage(direct: &str, proxy: &KafkaProxy) -> Stage {
    let (database, _) = postgres().await;
    Stage::between(Ways {
        tasks_database: database.clone(),
        database,
        kafka: quick(direct),
        tasks_kafka: quick(&proxy.address()),
    })
    .await
}

fn relay(stage: &Stage) -> Json {
    json!({
        "from": { "connection": "events", "topic": stage.topic, "group": stage.topic },
        "to": { "connection": "events", "topic": stage.dead, "transactional": true },
        "columns": ["n"],
    })
}

/// Sends ten messages, and has them passed on: each must be there once.
async fn round(stage: &mut Stage, number: usize, what: &str) {
    let number = i32::try_from(number).unwrap();
    stage.send_numbers(10 * number..10 * number + 10).await;
    stage.attempt.id.generation = number.unsigned_abs();
    let output = stage.run("copy", &relay(stage)).await;
    let output = output.unwrap_or_else(|failure| panic!("{what}: {failure:?}"));
    assert_eq!(output.outputs["rows"], 10, "{what}");
    let mut found = stage.messages(&stage.dead).await;
    let mut expected: Vec<String> = (0..10 * number + 10)
        .map(|n| format!("∅ {{\"n\":{n}}} []"))
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{what}");
}

#[tokio::test]
async fn each_message_goes_once_whatever_is_lost() {
    let direct = brokers().await;
    let proxy = KafkaProxy::new(direct).await;
    let mut stage = stage(direct, &proxy).await;
    let mut lost = Vec::new();
    for number in 0..rounds(FATES.len() * ASKED.len()) {
        let api = ASKED[number / FATES.len() % ASKED.len()];
        let fate = FATES[number % FATES.len()];
        let before = proxy.sprung();
        proxy.lose(api, number / FATES.len() / ASKED.len() % 3, fate);
        round(&mut stage, number, &format!("{api:?} {fate:?}")).await;
        if proxy.sprung() > before {
            lost.push((api, fate));
        }
    }
    // Whatever is asked at all was lost, the end of the transaction most of all.
    for fate in FATES {
        assert!(lost.contains(&(Api::EndTxn, fate)), "{lost:?}");
    }
    assert!(
        lost.len() > rounds(FATES.len() * ASKED.len()) / 2,
        "{lost:?}"
    );
}

#[tokio::test]
async fn each_message_goes_once_though_the_broker_is_killed_at_its_commit() {
    let broker = Broker::new();
    let server = broker.acquire().await;
    let direct = server.brokers().to_owned();
    let proxy = KafkaProxy::new(&direct).await;
    let mut stage = stage(&direct, &proxy).await;
    for number in 0..rounds(4) {
        let api = KILLED_AT[number % KILLED_AT.len()];
        let fate = FATES[number % FATES.len()];
        let process = broker.process();
        proxy.lose_and(api, 0, fate, move || {
            kill(process, Signal::SIGKILL).expect("a signal");
        });
        round(&mut stage, number, &format!("{api:?} {fate:?}")).await;
        assert_eq!(proxy.sprung(), number + 1, "{api:?} {fate:?}");
    }
    drop(stage);
    drop(server);
}
