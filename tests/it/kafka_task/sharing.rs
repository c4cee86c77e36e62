//! Several consumers of one group: partitions come and go, and every message is loaded once.

use serde_json::json;

use super::stage::{Stage, stop, stream};
use crate::support::attempt::Attempt;

const COUNT: &str = "SELECT count(*) FROM t";

/// Another task of the same project, with connections and group as the first.
fn another(first: &Attempt, item: u32) -> Attempt {
    let mut other = first.clone().item(item, json!(item));
    other.cancel = tokio_util::sync::CancellationToken::new();
    other
}

#[tokio::test]
async fn whoever_lost_a_partition_without_knowing_is_refused() {
    let mut stage = Stage::new().await;
    let copy = stage.copy(&json!({ "until": "stopped", "every": "10ms" }));
    let stream = stage.stream(&copy);
    stage.send_numbers(0..30).await;
    stage.until(COUNT, "30").await;
    // As another consumer does that was given the partition by the group.
    stage
        .rows("UPDATE runner.kafka_offsets SET epoch = epoch + 1 WHERE partition = 1")
        .await;
    stage.send_numbers(30..60).await;
    stage.until(COUNT, "60").await;
    stop(&stage.attempt, stream).await;
    stage.has_each_once(60).await;
    let log = stage.attempt.log();
    let told = "info  a partition was taken over by another consumer: joins anew";
    assert!(log.iter().any(|line| line == told), "{log:#?}");
}

#[tokio::test]
async fn consumers_share_the_partitions_and_take_over_from_each_other() {
    let mut stage = Stage::new().await;
    let copy = stage.copy(&json!({ "until": "stopped", "every": "10ms", "batch": 20 }));
    let first = stage.stream(&copy);
    stage.send_numbers(0..300).await;
    stage.until(COUNT, "300").await;
    let owners = "SELECT max(epoch) FROM runner.kafka_offsets";
    stage.until(owners, "1").await;
    let other = another(&stage.attempt, 1);
    let second = stream(&other, &copy);
    // The group gives partitions to the second one while messages come.
    stage.send_numbers(300..600).await;
    stage
        .until("SELECT max(epoch) > 1 FROM runner.kafka_offsets", "t")
        .await;
    stage.send_numbers(600..900).await;
    stage.until(COUNT, "900").await;
    // The first one goes: the second one has all.
    stop(&stage.attempt, first).await;
    stage.send_numbers(900..1200).await;
    stage.until(COUNT, "1200").await;
    stop(&other, second).await;
    stage.has_each_once(1200).await;
}

#[tokio::test]
async fn a_consumer_that_is_dropped_leaves_its_partitions_to_others() {
    let mut stage = Stage::new().await;
    let copy = stage.copy(&json!({ "until": "stopped", "every": "10ms", "batch": 5 }));
    let mut end = 0;
    for round in 0..5_u32 {
        let attempt = another(&stage.attempt, round);
        let running = stream(&attempt, &copy);
        stage.send_numbers(end..end + 60).await;
        end += 60;
        let some = format!("SELECT count(*) > {} FROM t", end - 60);
        stage.until(&some, "t").await;
        // Without a chance to finish anything.
        running.abort();
    }
    let attempt = another(&stage.attempt, 9);
    let last = stream(&attempt, &copy);
    stage.until(COUNT, &end.to_string()).await;
    stop(&attempt, last).await;
    stage.has_each_once(end).await;
}
