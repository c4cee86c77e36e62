//! What answers are taken for.

use serde_json::{Value as Json, json};

use super::{answer, attempt, failure, records, reply, text_answer};
use crate::support::fault_server::{FaultServer, Received};

const TICKERS: &str = r#"{"name": "Bitcoin", "tickers": [
    {"base": "BTC", "last": 67123.450000000000000001, "market": {"name": "Kraken"}},
    {"base": "BTC", "last": 1e-8, "market": null, "tags": ["a"]}], "total": 2}"#;

fn serve(request: &Received) -> Vec<crate::support::fault_server::Act> {
    match &*request.target {
        "/v1/tickers" => text_answer(TICKERS),
        "/v1/chart" => {
            text_answer("{\"prices\": [[1700000000000, 36000.10], [1700003600000, 36100]]}")
        }
        "/v1/pairs" => answer(
            &json!({ "error": [], "result": { "X": { "c": ["1.0", "2"] }, "Y": { "c": ["3.0", "4"] } } }),
        ),
        "/v1/unknown" => answer(&json!({ "error": ["EQuery:Unknown asset pair"] })),
        "/v1/null" => answer(&json!({ "tickers": null, "error": null })),
        "/v1/root" => answer(&json!({ "id": 5, "when": { "at": "now" } })),
        "/v1/list" => answer(&json!([{ "a": 1 }, { "a": 2 }])),
        "/v1/scalars" => answer(&json!([1, 2.5, "x"])),
        "/v1/nothing" => reply(204, &[], b""),
        "/v1/lines" => reply(
            200,
            &[("Content-Type", "application/x-ndjson")],
            b"{\"a\":1}\n{\"a\":2.50}\n",
        ),
        "/v1/table" => reply(
            200,
            &[("Content-Type", "text/csv; charset=utf-8")],
            b"a,b\n1,x\n2,\n",
        ),
        "/v1/text" => reply(200, &[("Content-Type", "text/plain")], b"one\ntwo\n"),
        "/v1/teapot" => reply(
            418,
            &[("Content-Type", "application/json")],
            b"{\"error\": \"I am a teapot\"}",
        ),
        "/v1/page" => reply(
            200,
            &[("Content-Type", "text/html")],
            b"<!DOCTYPE html>\n<p>Log in</p>",
        ),
        "/v1/cut" => text_answer("{\"tickers\": [{\"base\": \"BTC\"}"),
        "/v1/broken" => text_answer("{\"tickers\": [{\"base\": \"BTC\"}, {\"base\": BTC}]}"),
        "/v1/other" => text_answer("{\"tickers\": [{\"base\": 1}], \"more\": [1]}"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn answers_become_records() {
    let number = |text: &str| serde_json::from_str::<Json>(text).unwrap();
    for (http, expected) in [
        (
            json!({ "get": "tickers", "records": "tickers" }),
            json!([
                { "base": "BTC", "last": number("67123.450000000000000001"), "market": { "name": "Kraken" }, "tags": null },
                { "base": "BTC", "last": number("1e-8"), "market": null, "tags": ["a"] },
            ]),
        ),
        (
            json!({ "get": "tickers", "records": "tickers", "columns": ["last", "volume"] }),
            json!([
                { "last": number("67123.450000000000000001"), "volume": null },
                { "last": number("1e-8"), "volume": null },
            ]),
        ),
        (
            json!({ "get": "chart", "records": "prices" }),
            json!([
                { "0": 1_700_000_000_000_u64, "1": number("36000.10") },
                { "0": 1_700_003_600_000_u64, "1": 36100 },
            ]),
        ),
        (
            json!({ "get": "pairs", "records": "result.*", "expect": { "body": "not body.error" } }),
            json!([{ "c": ["1.0", "2"] }, { "c": ["3.0", "4"] }]),
        ),
        (json!({ "get": "null", "records": "tickers" }), json!([])),
        (
            json!({ "get": "root" }),
            json!([{ "id": 5, "when": { "at": "now" } }]),
        ),
        (json!({ "get": "list" }), json!([{ "a": 1 }, { "a": 2 }])),
        (
            json!({ "get": "scalars" }),
            json!([{ "value": "1" }, { "value": "2.5" }, { "value": "x" }]),
        ),
        (json!({ "get": "nothing" }), json!([])),
        (json!({ "head": "nothing" }), json!([])),
        (
            json!({ "get": "lines" }),
            json!([{ "a": 1 }, { "a": number("2.50") }]),
        ),
        (
            json!({ "get": "table" }),
            json!([{ "a": "1", "b": "x" }, { "a": "2", "b": null }]),
        ),
        (
            json!({ "get": "text" }),
            json!([{ "value": "one" }, { "value": "two" }]),
        ),
        (
            json!({ "get": "text", "format": "raw" }),
            json!([{ "value": "\\x6f6e650a74776f0a" }]),
        ),
        (
            json!({ "get": "teapot", "expect": { "status": ["2xx", 418], "body": "status == 418 and body.error" } }),
            json!([{ "error": "I am a teapot" }]),
        ),
    ] {
        let server = FaultServer::start(serve);
        let attempt = attempt(&server);
        let mut http = http;
        http["connection"] = "api".into();
        let (found, _) = records(&attempt, &http).await;
        assert_eq!(Json::Array(found), expected, "{http}");
    }
}

#[tokio::test]
async fn small_answers_are_outputs() {
    let server = FaultServer::start(serve);
    let attempt = attempt(&server);
    let (_, output) = records(
        &attempt,
        &json!({ "connection": "api", "get": "root", "keep_headers": ["ETag", "x-none"] }),
    )
    .await;
    let outputs = Json::Object(output.outputs);
    assert_eq!(
        outputs,
        json!({
            "status": 200, "rows": 1, "bytes": 28, "requests": 1,
            "headers": { "etag": "\"v1\"", "x-none": null },
            "body": { "id": 5, "when": { "at": "now" } },
        })
    );
    let (_, output) = records(
        &attempt,
        &json!({ "url": format!("{}/v1/tickers", server.url()), "records": "tickers" }),
    )
    .await;
    assert!(!output.outputs.contains_key("body"));
}

#[tokio::test]
async fn answers_that_are_not_as_expected_say_so() {
    let mut told = String::new();
    for http in [
        json!({ "get": "unknown", "records": "result.*", "expect": { "body": "not body.error" } }),
        json!({ "get": "unknown", "records": "result.*" }),
        json!({ "get": "tickers", "records": "ticker" }),
        json!({ "get": "tickers", "records": "name.items" }),
        json!({ "get": "teapot" }),
        json!({ "get": "page" }),
        json!({ "get": "page", "records": "tickers" }),
        json!({ "get": "cut", "records": "tickers" }),
        json!({ "get": "broken", "records": "tickers" }),
        json!({ "get": "text", "format": "json" }),
        json!({ "get": "tickers", "records": "tickers", "body_limit": "100B" }),
        json!({ "get": "tickers", "records": "tickers", "expect": { "body": "body.nothing.at_all" } }),
        json!({ "get": "text", "expect": { "body": "body.ok" } }),
    ] {
        let server = FaultServer::start(serve);
        let attempt = attempt(&server);
        let mut request = http.clone();
        request["connection"] = "api".into();
        let (message, retryable) = failure(&attempt, &request).await;
        let again = if retryable { "again" } else { "never again" };
        told.push_str(&format!("{http}\n  {message} ({again})\n"));
    }
    insta::assert_snapshot!(told);
}
