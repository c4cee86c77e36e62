//! Again and again, at a fixed rate.

use serde_json::{Value as Json, json};

use super::{answer, attempt, failure, kind, left, records, reply};
use crate::support::fault_server::{Act, FaultServer, Received};

/// Bitso's ticker on a bad day.
fn flaky(request: &Received) -> Vec<Act> {
    match request.number {
        1 => answer(&json!({ "success": false, "error": { "code": "0201" } })),
        2 => reply(500, &[], b""),
        3 => vec![Act::Stall],
        4 => reply(
            200,
            &[("Content-Type", "application/json")],
            b"{\"success\": true, \"payload\": {\"bid\": ",
        ),
        number => answer(&json!({ "success": true, "payload": { "bid": number.to_string() } })),
    }
}

fn repeat(count: u32, on_error: &str) -> Json {
    json!({
        "connection": "api", "get": "ticker", "records": "payload",
        "query": { "tick": "{{ tick.number }}" },
        "expect": { "body": "body.success" },
        "repeat": { "every": "400ms", "count": count, "on_error": on_error },
    })
}

fn tick(number: u64) -> Json {
    let millis = number * 400;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let at = match millis {
        0 => format!("2026-08-21T00:00:{seconds:02}Z"),
        _ => format!("2026-08-21T00:00:{seconds:02}.{millis:03}Z"),
    };
    json!({ "at": at, "number": number })
}

#[tokio::test]
async fn ticks_that_fail_are_left_out() {
    let server = FaultServer::start(flaky);
    let attempt = attempt(&server);
    let began = std::time::Instant::now();
    let (found, output) = records(&attempt, &repeat(6, "skip")).await;
    assert!(
        began.elapsed().as_millis() >= 2000,
        "the last tick is due after five periods"
    );
    let expected: Vec<Json> = [0, 5]
        .into_iter()
        .map(|number: u64| json!({ "bid": number.to_string(), "tick": tick(number) }))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(output.outputs["ticks"], 2);
    assert_eq!(output.outputs["skipped"], 4);
    assert_eq!(output.outputs["rows"], 2);
    let queries: Vec<String> = server.received().iter().map(|r| r.target.clone()).collect();
    let expected: Vec<String> = (0..6).map(|n| format!("/v1/ticker?tick={n}")).collect();
    assert_eq!(queries, expected);
    let warnings: Vec<String> = attempt
        .log()
        .into_iter()
        .filter(|line| line.contains("is left out"))
        .map(|line| super::without_port(&line))
        .collect();
    insta::assert_snapshot!(warnings.join("\n"));
}

#[tokio::test]
async fn a_run_that_collects_nothing_fails() {
    let server = FaultServer::start(|_| answer(&json!({ "success": false, "error": "0301" })));
    let attempt = attempt(&server);
    let (message, _) = failure(&attempt, &repeat(3, "skip")).await;
    assert_eq!(
        message,
        "nothing was collected: GET http://host/v1/ticker?tick=2: the answer isn't as expected, \
`body.success` is false: {\"success\":false,\"error\":\"0301\"}"
    );
    let (message, retryable) = failure(&attempt, &repeat(3, "fail")).await;
    assert_eq!(
        message,
        "GET http://host/v1/ticker?tick=0: the answer isn't as expected, `body.success` is false: \
{\"success\":false,\"error\":\"0301\"}"
    );
    assert!(retryable);
}

#[tokio::test]
async fn ticks_whose_time_is_over_are_left_to_earlier_attempts() {
    let server = FaultServer::start(|request| {
        answer(&json!({ "success": true, "payload": { "n": request.number } }))
    });
    // The tests' clock stands at midnight.
    for (time, ticks) in [
        ("2026-08-20T23:59:59.100Z", vec![2, 3]),
        ("2026-08-20T23:59:59.2Z", vec![2, 3]),
        ("2026-08-21T00:00:00.3Z", vec![0, 1, 2, 3]),
    ] {
        let attempt = attempt(&server).with("run", json!({ "logical_time": time }));
        let output = attempt.run(kind("http"), &repeat(4, "fail")).await.unwrap();
        let numbers: Vec<Json> = left(&attempt, &output)
            .iter()
            .map(|record| record["tick"]["number"].clone())
            .collect();
        assert_eq!(Json::Array(numbers), json!(ticks), "{time}");
    }
    let attempt = attempt(&server).with("run", json!({ "logical_time": "2026-08-20T23:00:00Z" }));
    let (message, retryable) = failure(&attempt, &repeat(4, "skip")).await;
    assert_eq!(
        message,
        "nothing was collected: the time of all 4 ticks was over"
    );
    assert!(!retryable);
}

#[tokio::test]
async fn a_copy_names_the_tick_in_its_columns() {
    let server = FaultServer::start(|_| {
        answer(&json!({ "success": true, "payload": { "bid": "17.62", "ask": "17.64" } }))
    });
    let attempt = attempt(&server);
    for (columns, expected) in [
        (
            json!({ "bid": "bid", "observed_at": "tick.at", "n": "{{ tick.number + 1 }}" }),
            "bid,observed_at,n\n17.62,2026-08-21T00:00:00Z,1\n17.62,2026-08-21T00:00:00.400Z,2\n",
        ),
        (Json::Null, "bid,ask\n17.62,17.64\n17.62,17.64\n"),
    ] {
        let copy = json!({ "from": repeat(2, "fail"), "to": "out.csv", "columns": columns });
        attempt.run(kind("copy"), &copy).await.unwrap();
        let text = std::fs::read_to_string(attempt.folder().join("out.csv")).unwrap();
        assert_eq!(text, expected, "{copy}");
    }
}
