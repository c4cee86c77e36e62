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
