//! Topics into a database: where a stream begins, where it ends, and what it keeps.

use runner::connection::kafka::ProducerOptions;
use serde_json::json;

use super::stage::{Stage, stop};
use crate::support::kafka::{blocking, send_one};

#[tokio::test]
async fn what_is_there_is_loaded_once_and_what_comes_later_too() {
    let mut stage = Stage::new().await;
    stage.send_numbers(0..300).await;
    let copy = stage.copy(&json!({ "batch": 70 }));
    let output = stage.run("copy", &copy).await.unwrap();
    assert_eq!(output.outputs["messages"], 300);
    assert_eq!(output.outputs["written"], 300);
    stage.has_each_once(300).await;
    // A retried attempt finds that it was done; a new run finds nothing new.
    stage.send_numbers(300..301).await;
    stage.attempt = stage.attempt.clone().number(2);
    let again = stage.run("copy", &copy).await.unwrap();
    assert_eq!(again.outputs, output.outputs);
    stage.has_each_once(300).await;
    stage.attempt.id.generation = 1;
    let new = stage.run("copy", &copy).await.unwrap();
    assert_eq!(new.outputs["messages"], 1);
    stage.has_each_once(301).await;
    // The group knows, too.
    let lag = stage.cluster.lag(&stage.topic, &stage.topic).await.unwrap();
    let behind: Vec<i64> = lag.iter().map(|place| place.lag).collect();
    assert_eq!(behind, [0, 0, 0]);
}

#[tokio::test]
async fn a_count_ends_in_the_middle_and_goes_on_there() {
    let mut stage = Stage::new().await;
    stage.send_numbers(0..100).await;
    let copy = stage.copy(&json!({ "until": 30, "batch": 7 }));
    for (generation, rows) in [(0, "30"), (0, "30"), (1, "60"), (2, "90")] {
        stage.attempt.id.generation = generation;
        let output = stage.run("copy", &copy).await.unwrap();
        assert_eq!(output.outputs["messages"], 30);
        stage.until("SELECT count(DISTINCT n) FROM t", rows).await;
    }
}

#[tokio::test]
async fn a_group_begins_where_it_shall() {
    for (start, expected) in [
        ("earliest", "0|15"),
        ("latest", "10|5"),
        ("2100-01-01T00:00:00Z", "10|5"),
        ("2001-01-01T00:00:00Z", "0|15"),
    ] {
        let mut stage = Stage::new().await;
        stage.send_numbers(0..10).await;
        let copy = stage.copy(&json!({ "start": start, "until": "stopped", "every": "10ms" }));
        let stream = stage.stream(&copy);
        let known = "SELECT count(*) FROM runner.kafka_offsets";
        stage.until("SELECT count(*) FROM pg_tables WHERE tablename = 'kafka_offsets'", "1").await;
        stage.until(known, "3").await;
        stage.send_numbers(10..15).await;
        stage.until("SELECT min(n), count(*) FROM t", expected).await;
        stop(&stage.attempt, stream).await;
    }
}

#[tokio::test]
async fn offsets_that_cannot_be_are_told() {
    let stage = Stage::new().await;
    let missing = stage.copy(&json!({ "start": "stored" }));
    let failure = stage.run("copy", &missing).await.unwrap_err();
    assert_eq!(
        failure.cause.message.replace(&stage.topic, "T"),
        "the brokers have no offset of group `T` in topic `T`: set `start` to `earliest` or `latest`"
    );
    let mut stage = Stage::new().await;
    stage.send_numbers(0..3).await;
    let copy = stage.copy(&json!({}));
    stage.run("copy", &copy).await.unwrap();
    stage
        .rows("UPDATE runner.kafka_offsets SET next_offset = 7 WHERE partition = 1")
        .await;
    stage.attempt.id.generation = 1;
    let failure = stage.run("copy", &copy).await.unwrap_err();
    assert_eq!(
        failure.cause.message.replace(&stage.topic, "T"),
        "partition 1 of topic `T` ends at offset 1, but 7 is to be read next: the topic was made \
         anew; let the group `T` forget it to begin anew"
    );
    let unknown = json!({
        "from": { "connection": "events", "topic": format!("{}x", stage.topic) },
        "to": { "connection": "db", "table": "t" },
    });
    let failure = stage.run("copy", &unknown).await.unwrap_err();
    assert_eq!(
        failure.cause.message.replace(&stage.topic, "T"),
        "topic `Tx` doesn't exist: did you mean `T`?"
    );
}

#[tokio::test]
async fn the_marks_of_transactions_are_no_messages() {
    let mut stage = Stage::new().await;
    let options = ProducerOptions {
        transactional_id: Some(stage.topic.clone()),
    };
    let producer = stage.cluster.producer(options).await.unwrap();
    let topic = stage.topic.clone();
    blocking(move || {
        producer.start_transactions().unwrap();
        for n in 0..4 {
            producer.begin().unwrap();
            for partition in 0..3 {
                let value = format!("{{\"n\": {}}}", n / 2 * 3 + partition);
                send_one(&producer, &topic, partition, &value);
            }
            // The second and the last are taken back.
            if n % 2 == 0 {
                producer.commit().unwrap();
            } else {
                producer.flush(crate::support::kafka::DEADLINE).unwrap();
                producer.abort().unwrap();
            }
        }
        producer.close();
    })
    .await;
    let output = stage.run("copy", &stage.copy(&json!({}))).await.unwrap();
    assert_eq!(output.outputs["messages"], 6);
    stage.has_each_once(6).await;
}

#[tokio::test]
async fn what_a_message_says_about_itself_can_be_loaded() {
    let mut stage = Stage::new().await;
    stage.send_numbers(0..3).await;
    let mut copy = stage.copy(&json!({}));
    copy["columns"] = json!({ "n": "kafka.partition", "text": "{{ n }}@{{ kafka.offset }}" });
    copy["where"] = json!("n != 1");
    stage.run("copy", &copy).await.unwrap();
    let found = stage.rows("SELECT n, text FROM t ORDER BY n").await;
    assert_eq!(found, ["0|0@0", "2|2@0"]);
}
