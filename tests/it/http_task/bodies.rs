//! What requests carry.

use runner::model::TaskId;
use runner::task::Guarantee;
use serde_json::{Value as Json, json};

use super::{answer, attempt, kind, records};
use crate::support::attempt::Attempt;
use crate::support::fault_server::{FaultServer, Received};

fn serve(request: &Received) -> Vec<crate::support::fault_server::Act> {
    answer(&json!({ "number": request.number, "bytes": request.body.len() }))
}

/// What arrived: method and target, content type, key, body.
fn told(request: &Received, attempt: &Attempt) -> String {
    let run = attempt.id.run.to_string();
    let key = request.header("idempotency-key").unwrap_or("none");
    format!(
        "{} {} {} {} {}",
        request.method,
        request.target,
        request.header("content-type").unwrap_or("none"),
        key.replace(&run, "RUN"),
        String::from_utf8_lossy(&request.body)
    )
}

#[tokio::test]
async fn bodies_are_sent() {
    for (http, expected) in [
        (
            json!({ "post": "x", "body": { "json": { "a": "{{ params.n }}", "b": ["{{ params.n }}!", 1.5, null] } } }),
            "POST /v1/x application/json RUN/task/0 {\"a\":3,\"b\":[\"3!\",1.5,null]}",
        ),
        (
            json!({ "put": "x", "body": { "form": { "a b": "{{ params.n }}", "c": ["d", "é"] } } }),
            "PUT /v1/x application/x-www-form-urlencoded none a+b=3&c=d&c=%C3%A9",
        ),
        (
            json!({ "patch": "x", "idempotent": true, "body": { "text": "n={{ params.n }}", "content_type": "text/x" } }),
            "PATCH /v1/x text/x RUN/task/0 n=3",
        ),
        (
            json!({ "post": "x", "body": { "file": "{{ params.file }}" } }),
            "POST /v1/x text/csv; charset=utf-8 RUN/task/0 a,b\n",
        ),
        (json!({ "delete": "x" }), "DELETE /v1/x none none "),
        (json!({ "post": "x" }), "POST /v1/x none RUN/task/0 "),
    ] {
        let server = FaultServer::start(serve);
        let attempt = attempt(&server)
            .with("params", json!({ "n": 3, "file": "in/a.csv" }))
            .file("in/a.csv", "a,b\n");
        let mut request = http.clone();
        request["connection"] = "api".into();
        records(&attempt, &request).await;
        let received = server.received();
        assert_eq!(received.len(), 1, "{http}");
        // A file may come in chunks.
        let told = told(&received[0], &attempt).replace("4\r\na,b\n\r\n0\r\n\r\n", "a,b\n");
        assert_eq!(told, expected, "{http}");
    }
}

/// An attempt whose earlier task `rows` has left five records.
async fn with_rows(server: &FaultServer) -> Attempt {
    let mut attempt = attempt(server).file("in/rows.ndjson", rows());
    let copy = json!({ "from": { "file": "in/rows.ndjson" } });
    let output = attempt.run(kind("copy"), &copy).await.unwrap();
    let task = TaskId::new("rows").unwrap();
    attempt.datasets.insert(task, vec![output.dataset.unwrap()]);
    attempt
}

fn rows() -> String {
    (1..=5)
        .map(|n| format!("{{\"n\": {n}.50, \"t\": \"x\"}}\n"))
        .collect()
}

#[tokio::test]
async fn records_are_sent_one_by_one_or_in_batches() {
    for (body, expected) in [
        (
            json!({ "dataset": "rows" }),
            vec![
                "POST /v1/x application/json RUN/task/0/1 {\"n\":1.50,\"t\":\"x\"}",
                "POST /v1/x application/json RUN/task/0/2 {\"n\":2.50,\"t\":\"x\"}",
                "POST /v1/x application/json RUN/task/0/3 {\"n\":3.50,\"t\":\"x\"}",
                "POST /v1/x application/json RUN/task/0/4 {\"n\":4.50,\"t\":\"x\"}",
                "POST /v1/x application/json RUN/task/0/5 {\"n\":5.50,\"t\":\"x\"}",
            ],
        ),
        (
            json!({ "dataset": "rows", "batch": 4, "under": "items" }),
            vec![
                "POST /v1/x application/json RUN/task/0/1 {\"items\":[{\"n\":1.50,\"t\":\"x\"},{\"n\":2.50,\"t\":\"x\"},{\"n\":3.50,\"t\":\"x\"},{\"n\":4.50,\"t\":\"x\"}]}",
                "POST /v1/x application/json RUN/task/0/2 {\"items\":[{\"n\":5.50,\"t\":\"x\"}]}",
            ],
        ),
        (
            json!({ "dataset": "rows", "batch": 5 }),
            vec![
                "POST /v1/x application/json RUN/task/0/1 [{\"n\":1.50,\"t\":\"x\"},{\"n\":2.50,\"t\":\"x\"},{\"n\":3.50,\"t\":\"x\"},{\"n\":4.50,\"t\":\"x\"},{\"n\":5.50,\"t\":\"x\"}]",
            ],
        ),
    ] {
        let server = FaultServer::start(serve);
        let attempt = with_rows(&server).await;
        let http = json!({ "connection": "api", "post": "x", "body": body });
        let (found, output) = records(&attempt, &http).await;
        let received = server.received();
        let told: Vec<String> = received.iter().map(|r| told(r, &attempt)).collect();
        assert_eq!(told, expected, "{http}");
        // The answers are the task's records.
        assert_eq!(found.len(), expected.len());
        assert_eq!(output.outputs["requests"], expected.len());
    }
}

#[tokio::test]
async fn a_copy_sends_mapped_records() {
    let server = FaultServer::start(serve);
    let attempt = attempt(&server).file("in/rows.ndjson", rows());
    let copy = json!({
        "from": { "file": "in/rows.ndjson" },
        "to": { "connection": "api", "put": "items/{{ params }}", "batch": 3 },
        "columns": { "twice": "{{ n * 2 }}", "n": "n" },
        "where": "n < 5",
    });
    let output = attempt
        .clone()
        .with("params", json!("p"))
        .run(kind("copy"), &copy)
        .await
        .unwrap();
    let received = server.received();
    let told: Vec<String> = received.iter().map(|r| told(r, &attempt)).collect();
    assert_eq!(
        told,
        [
            "PUT /v1/items/p application/json none [{\"twice\":3,\"n\":1.50},{\"twice\":5,\"n\":2.50},{\"twice\":7,\"n\":3.50}]",
            "PUT /v1/items/p application/json none [{\"twice\":9,\"n\":4.50}]",
        ]
    );
    assert_eq!(output.outputs["rows"], 4);
    assert_eq!(output.outputs["requests"], 2);
}

#[tokio::test]
async fn only_what_may_be_repeated_is_exactly_once() {
    let server = FaultServer::start(serve);
    for (http, once) in [
        (json!({ "get": "x" }), true),
        (json!({ "put": "x" }), true),
        (json!({ "post": "x" }), false),
        (json!({ "post": "x", "idempotent": true }), true),
    ] {
        let attempt = attempt(&server);
        let mut http: Json = http;
        http["connection"] = "api".into();
        let guarantee = attempt.parse(kind("http"), &http).task().guarantee();
        assert_eq!(guarantee == Guarantee::ExactlyOnce, once, "{http}");
    }
}
