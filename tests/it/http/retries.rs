//! What is sent again, and when.

use std::time::{Duration, Instant};

use runner::connection::{HttpBody, HttpMethod, HttpRequest, StatusSet};

use super::around::{Stage, get, ms};
use crate::support::fault_server::{Act, FaultServer, Received, head, ok, reply};

/// Fails so often, then answers.
fn after(failures: usize, failure: Vec<Act>) -> impl Fn(&Received) -> Vec<Act> + Send + Sync {
    move |request| {
        if request.number < failures {
            failure.clone()
        } else {
            ok("done")
        }
    }
}

#[tokio::test]
async fn transient_answers_are_asked_for_again() {
    for status in [408, 420, 425, 429, 500, 502, 503, 504] {
        let server = FaultServer::start(after(1, reply(status, &[], b"")));
        let stage = Stage::new(&server.url(), "");
        assert_eq!(stage.text(&get("/x")).await, "done", "{status}");
        assert_eq!(server.received().len(), 2, "{status}");
    }
    for (what, acts) in [
        ("a reset", vec![Act::Reset]),
        ("a close", vec![Act::Close]),
        (
            "a body that is cut short",
            vec![
                Act::Send([head(200, &[("Content-Length", "9")]), b"abc".to_vec()].concat()),
                Act::Close,
            ],
        ),
    ] {
        let server = FaultServer::start(after(2, acts));
        let stage = Stage::new(&server.url(), "");
        assert_eq!(stage.text(&get("/x")).await, "done", "{what}");
        assert_eq!(server.received().len(), 3, "{what}");
    }
}

#[tokio::test]
async fn final_answers_are_not() {
    for status in [400, 401, 403, 404, 409, 410, 422, 501, 505] {
        let server =
            FaultServer::start(move |_| reply(status, &[], b"{ \"error\":\n \"no such coin\" }"));
        let stage = Stage::new(&server.url(), "");
        let (error, _) = stage.failure(&get("/x")).await;
        assert_eq!(server.received().len(), 1, "{status}");
        assert_eq!(
            (error.status, error.retryable),
            (Some(status), false),
            "{error}"
        );
        let said = "{ \"error\": \"no such coin\" }";
        assert!(error.message.contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_write_is_sent_again_only_where_that_does_no_harm() {
    for (method, says_so, requests) in [
        (HttpMethod::Post, false, 1),
        (HttpMethod::Patch, false, 1),
        (HttpMethod::Post, true, 2),
        (HttpMethod::Put, false, 2),
        (HttpMethod::Delete, false, 2),
    ] {
        for failure in [reply(503, &[], b""), vec![Act::Reset]] {
            let server = FaultServer::start(after(1, failure));
            let stage = Stage::new(&server.url(), "");
            let request = HttpRequest {
                body: HttpBody::Bytes {
                    content_type: "text/plain".to_owned(),
                    bytes: "pay 5".into(),
                },
                idempotency_key: Some("run/task/0".to_owned()),
                retry_writes: says_so,
                ..HttpRequest::new(method, "/pay")
            };
            let answer = stage.fetch(&request).await;
            let received = server.received();
            assert_eq!(received.len(), requests, "{method:?} {says_so}");
            for request in &received {
                assert_eq!(request.body, b"pay 5");
                assert_eq!(request.header("idempotency-key"), Some("run/task/0"));
            }
            if let Err(error) = answer {
                assert!(!error.retryable, "{error}");
                assert!(error.message.contains("say `idempotent: true`"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    // Dates have whole seconds: two of them are at least one.
    let date = |seconds: u64| {
        let start: std::time::SystemTime =
            std::time::UNIX_EPOCH + Duration::from_secs(1_795_258_800 + seconds);
        httpdate::fmt_http_date(start)
    };
    let (now, soon) = (date(0), date(1));
    for (what, headers) in [
        ("seconds", vec![("Retry-After", "1")]),
        (
            "a date",
            vec![("Retry-After", soon.as_str()), ("Date", now.as_str())],
        ),
    ] {
        for status in [429, 503] {
            let server = FaultServer::start(after(1, reply(status, &headers, b"")));
            let stage = Stage::new(&server.url(), "");
            let began = Instant::now();
            assert_eq!(stage.text(&get("/x")).await, "done");
            let took = began.elapsed();
            assert!(
                (ms(990)..ms(1900)).contains(&took),
                "{what}, {status}: {took:?}"
            );
            assert_eq!(
                stage.log(&server),
                [
                    format!("GET http://127.0.0.1:*/x: {status}, 0 bytes"),
                    "GET http://127.0.0.1:*/x: again in 1s (try 2 of 3)".to_owned(),
                    "GET http://127.0.0.1:*/x: 200, 4 bytes".to_owned(),
                ]
            );
        }
    }
}

#[tokio::test]
async fn who_asks_for_more_than_the_connection_waits_is_left_to_the_next_attempt() {
    // One hour after the clock of the test, and no date of the server's own.
    for (value, seconds) in [("120", 120), ("Sat, 21 Nov 2026 12:00:00 GMT", 3600)] {
        for settings in ["longest_wait: 1m", "timeout: 10s, longest_wait: 2h"] {
            let server = FaultServer::start(move |_| reply(429, &[("Retry-After", value)], b""));
            let stage = Stage::new(&server.url(), settings);
            let (error, took) = stage.failure(&get("/x")).await;
            assert_eq!(error.retry_after, Some(Duration::from_secs(seconds)));
            assert!(error.retryable && took < ms(1000), "{error} {took:?}");
            assert_eq!((server.received().len(), error.status), (1, Some(429)));
        }
    }
}

#[tokio::test]
async fn tries_end() {
    let server = FaultServer::start(|_| reply(500, &[], b"oops"));
    let stage = Stage::new(&server.url(), "tries: 2");
    let (error, _) = stage.failure(&get("/x")).await;
    assert_eq!(server.received().len(), 2);
    let end = ": it answered 500 Internal Server Error: oops, at the last of 2 tries";
    assert!(error.message.ends_with(end), "{error}");
    assert!(error.retryable, "the task may try again later");
}

#[tokio::test]
async fn a_status_that_is_accepted_is_an_answer() {
    let server = FaultServer::start(|_| reply(404, &[("Retry-After", "9")], b"none"));
    let stage = Stage::new(&server.url(), "");
    let request = HttpRequest {
        accept: StatusSet::new(vec![200..=200, 404..=404]),
        ..get("/x")
    };
    let (head, body) = stage.fetch(&request).await.unwrap();
    assert_eq!((head.status, &body[..]), (404, &b"none"[..]));
    let request = HttpRequest {
        accept: StatusSet::new(vec![200..=200]),
        ..get("/x")
    };
    assert_eq!(stage.failure(&request).await.0.status, Some(404));
}

#[tokio::test]
async fn requests_keep_their_rate_and_their_order() {
    let server = FaultServer::start(|_| ok("done"));
    let stage = Stage::new(&server.url(), "rate_limit: { rate: 10/s, burst: 2 }");
    let began = Instant::now();
    let targets: Vec<_> = (0..6).map(|n| get(&format!("/{n}"))).collect();
    let all = targets.iter().map(|request| stage.text(request));
    futures_util::future::join_all(all).await;
    // Two at once, then one every tenth of a second.
    let took = began.elapsed();
    assert!((ms(390)..ms(1390)).contains(&took), "{took:?}");
    let mut order: Vec<String> = server.received().into_iter().map(|r| r.target).collect();
    // The first two go off at the same time.
    order[..2].sort();
    assert_eq!(order, ["/0", "/1", "/2", "/3", "/4", "/5"]);
}
