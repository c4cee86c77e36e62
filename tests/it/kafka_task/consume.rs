//! Reading messages into datasets, and from topic to topic.

use serde_json::json;

use super::stage::Stage;

#[tokio::test]
async fn a_repeated_attempt_reads_the_same_messages_and_the_next_run_goes_on() {
    let mut stage = Stage::new().await;
    stage.send_numbers(0..10).await;
    let task = json!({ "connection": "events", "consume": stage.topic, "group": stage.topic });
    for (generation, number, rows) in [(0, 1, 10), (0, 2, 10), (1, 1, 0)] {
        stage.attempt = stage.attempt.clone().number(number);
        stage.attempt.id.generation = generation;
        let output = stage.run("kafka", &task).await.unwrap();
        assert_eq!(output.outputs["rows"], rows, "{generation} {number}");
    }
    stage.send_numbers(10..15).await;
    stage.attempt.id.generation = 2;
    let output = stage.run("kafka", &task).await.unwrap();
    assert_eq!(output.outputs["rows"], 5);
    assert_eq!(output.dataset.unwrap().rows, 5);
}

#[tokio::test]
async fn from_topic_to_topic_each_message_goes_once() {
    let mut stage = Stage::new().await;
    let copy = json!({
        "from": { "connection": "events", "topic": stage.topic, "group": stage.topic },
        "to": {
            "connection": "events", "topic": stage.dead, "key": "{{ n }}", "transactional": true,
        },
        "columns": ["n"],
        "where": "n != 3",
    });
    // A repeated attempt finds the note of the one before, and the next run what is new.
    for (generation, number, end, expected) in [(0, 1, 5, 4), (0, 2, 8, 4), (1, 1, 10, 9)] {
        let sent = stage.messages(&stage.topic).await.len();
        stage.send_numbers(i32::try_from(sent).unwrap()..end).await;
        stage.attempt = stage.attempt.clone().number(number);
        stage.attempt.id.generation = generation;
        stage.run("copy", &copy).await.unwrap();
        let mut found = stage.messages(&stage.dead).await;
        assert_eq!(found.len(), expected, "{found:?}");
        found.sort();
        found.dedup();
        assert_eq!(found.len(), expected, "{found:?}");
    }
}
