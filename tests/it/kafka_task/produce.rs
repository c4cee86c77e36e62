//! Sending records.

use serde_json::json;

use super::stage::Stage;

#[tokio::test]
async fn records_become_messages_as_they_are_described() {
    let stage = Stage::new().await;
    let task = json!({
        "connection": "events",
        "produce": stage.topic,
        "values": [
            { "a": "x|y", "price": 1.25, "part": 0 },
            { "a": null, "price": 7, "part": 2 },
        ],
        "key": "{{ a }}",
        "headers": { "price": "{{ price }}", "run": "{{ run.dag }}" },
        "partition": "{{ part }}",
        "timestamp": "2026-08-20T00:00:00Z",
        "value": ["price", "a"],
    });
    let output = stage.run("kafka", &task).await.unwrap();
    assert_eq!(output.outputs["rows"], 2);
    assert_eq!(
        stage.messages(&stage.topic).await,
        [
            r#"x|y {"price":1.25,"a":"x|y"} [price=1.25, run=dag]"#,
            r#"∅ {"price":7,"a":null} [price=7, run=dag]"#,
        ]
    );
}

#[tokio::test]
async fn a_transaction_happens_once_however_often_it_is_tried() {
    let mut stage = Stage::new().await;
    stage.attempt = stage.attempt.file("in.csv", "n\n1\n2\n");
    let task = json!({
        "connection": "events",
        "produce": stage.topic,
        "from": { "file": "in.csv" },
        "partition": "0",
        "transactional": true,
    });
    let sent = [r#"∅ {"n":"1"} []"#, r#"∅ {"n":"2"} []"#];
    let first = stage.run("kafka", &task).await.unwrap();
    assert_eq!(stage.messages(&stage.topic).await, sent);
    // The answer of the first one was lost: the second one finds the note it has left.
    stage.attempt = stage.attempt.clone().number(2);
    let second = stage.run("kafka", &task).await.unwrap();
    assert_eq!(second.outputs, first.outputs);
    assert_eq!(stage.messages(&stage.topic).await, sent);
    // A person who clears the task wants it again.
    stage.attempt.id.generation = 1;
    stage.run("kafka", &task).await.unwrap();
    assert_eq!(stage.messages(&stage.topic).await.len(), 4);
}

#[tokio::test]
async fn of_a_transaction_that_fails_nothing_is_seen() {
    let mut stage = Stage::new().await;
    stage.attempt = stage.attempt.file("in.csv", "n\n1\n2\nx\n");
    let task = json!({
        "connection": "events",
        "produce": stage.topic,
        "from": { "file": "in.csv" },
        "partition": "{{ n }}",
        "transactional": true,
    });
    let failure = stage.run("kafka", &task).await.unwrap_err();
    assert_eq!(
        &*failure.cause.message,
        "in.csv:4: `partition` is a number from 0, not `x`"
    );
    assert_eq!(stage.messages(&stage.topic).await, [""; 0]);
}

#[tokio::test]
async fn topics_are_made_as_they_are_declared() {
    let stage = Stage::new().await;
    let name = format!("{}-declared", stage.topic);
    let task = |partitions: u32| {
        json!({
            "connection": "events",
            "topics": { &name: { "partitions": partitions, "config": { "retention.ms": 60000 } } },
        })
    };
    for (partitions, found) in [(2, 2), (2, 2), (3, 3), (1, 3)] {
        stage.run("kafka", &task(partitions)).await.unwrap();
        let topic = stage.cluster.topic(&name).await.unwrap();
        assert_eq!(topic.partitions.len(), found);
    }
    let log: Vec<String> = stage.attempt.log();
    let log: Vec<String> = log.iter().map(|line| line.replace(&name, "T")).collect();
    insta::assert_snapshot!(log.join("\n"));
}
