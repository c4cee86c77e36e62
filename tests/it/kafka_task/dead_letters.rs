//! Messages that can't be used.

use serde_json::json;

use super::stage::{Stage, stop};

/// Two good ones between bad ones of every sort.
fn messages() -> Vec<(i32, String)> {
    [
        r#"{"n": 1, "text": "a"}"#,
        "no json",
        r#"{"text": "b"}"#,
        r#"{"n": "x", "text": "c"}"#,
        r#"{"n": 99999999999, "text": "d"}"#,
        r#"{"n": 2, "text": "nul \u0000"}"#,
        r#"{"n": 3, "text": "e"}"#,
    ]
    .iter()
    .map(|text| (0, (*text).to_owned()))
    .collect()
}

fn typed(copy: &mut serde_json::Value) {
    copy["columns"] = json!({ "n": { "type": "integer", "required": true }, "text": "text" });
}

#[tokio::test]
async fn they_go_to_a_topic_with_the_reason_and_the_stream_goes_on() {
    let mut stage = Stage::new().await;
    stage.send_values(&messages()).await;
    let mut copy = stage.copy(&json!({
        "until": "stopped", "every": "10ms", "dead_letter": stage.dead,
    }));
    typed(&mut copy);
    let stream = stage.stream(&copy);
    stage.until("SELECT count(*) FROM t", "2").await;
    stage.send_numbers(100..103).await;
    stage.until("SELECT count(*) FROM t", "5").await;
    stop(&stage.attempt, stream).await;
    let found = stage.messages(&stage.dead).await.join("\n");
    insta::assert_snapshot!(found.replace(&stage.topic, "T"));
    let log: Vec<String> = stage
        .attempt
        .log()
        .into_iter()
        .filter(|line| line.starts_with("warn"))
        .map(|line| line.replace(&stage.topic, "T").replace(&stage.dead, "D"))
        .collect();
    insta::assert_snapshot!(log.join("\n"));
}

#[tokio::test]
async fn without_a_topic_for_them_they_fail_the_task_or_are_left_out() {
    let mut stage = Stage::new().await;
    stage.send_values(&messages()).await;
    let mut copy = stage.copy(&json!({}));
    typed(&mut copy);
    let failure = stage.run("copy", &copy).await.unwrap_err();
    assert_eq!(
        failure.cause.message.replace(&stage.topic, "T"),
        "T[0]:1: no JSON object: expected ident at column 2"
    );
    assert_eq!(stage.rows("SELECT count(*) FROM t").await, ["0"]);
    copy["on_error"] = json!("skip");
    let output = stage.run("copy", &copy).await.unwrap();
    assert_eq!(output.outputs["rejected"], 5);
    let found = stage.rows("SELECT n FROM t ORDER BY n").await;
    assert_eq!(found, ["1", "3"]);
}

#[tokio::test]
async fn what_a_script_refuses_is_a_dead_letter_too() {
    let mut stage = Stage::new().await;
    stage.send_numbers(0..50).await;
    stage
        .rows("CREATE TABLE checked (n int CHECK (n NOT IN (7, 30)), text text)")
        .await;
    let mut copy = stage.copy(&json!({ "dead_letter": stage.dead }));
    copy["to"] = json!({
        "connection": "db",
        "script": "INSERT INTO checked SELECT n, text FROM batch ORDER BY batch_row",
    });
    stage.run("copy", &copy).await.unwrap();
    let found = stage
        .rows("SELECT count(*), count(DISTINCT n), sum(n) FROM checked")
        .await;
    assert_eq!(found, [format!("48|48|{}", (0..50).sum::<i32>() - 37)]);
    let dead = stage.messages(&stage.dead).await.join("\n");
    insta::assert_snapshot!(dead.replace(&stage.topic, "T"));
}
