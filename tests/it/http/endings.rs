//! Whatever a server does, a request ends in time.

use std::time::Duration;

use runner::connection::{HttpLimits, HttpMethod, HttpRequest};

use super::around::{Stage, get, ms, once};
use crate::support::eventually::{eventually, so};
use crate::support::fault_server::{Act, FaultServer, head, ok};

/// Each request has one of these to end in.
const READ: Duration = ms(300);
const TOTAL: Duration = ms(900);
const SLACK: Duration = ms(1000);

fn limits() -> HttpLimits {
    HttpLimits {
        timeout: Some(TOTAL),
        read_timeout: Some(READ),
        tries: Some(1),
        ..HttpLimits::default()
    }
}

/// An answer of 100 bytes that doesn't come to its end.
fn cut(acts: Vec<Act>) -> Vec<Act> {
    let start = [
        head(200, &[("Content-Length", "100")]),
        b"0123456789".to_vec(),
    ]
    .concat();
    [vec![Act::Send(start)], acts].concat()
}

fn chunked(body: &str, end: Act) -> Vec<Act> {
    let start = head(200, &[("Transfer-Encoding", "chunked")]);
    vec![Act::Send([start, body.as_bytes().to_vec()].concat()), end]
}

fn slowly(piece: &str) -> Act {
    Act::Dribble(piece.repeat(50).into_bytes(), ms(100))
}

#[tokio::test]
async fn every_fault_ends_at_its_deadline_and_says_what_it_was() {
    let silent = "no answer for 300ms";
    let no_byte = "no byte of the body for 300ms";
    let too_long = "it took longer than `timeout` allows";
    let cases: Vec<(&str, Vec<Act>, Duration, &str)> = vec![
        ("stalls before its head", vec![Act::Stall], READ, silent),
        (
            "stalls within its head",
            vec![Act::Send(b"HTTP/1.1 200 OK\r\nA: ".to_vec()), Act::Stall],
            READ,
            silent,
        ),
        (
            "stalls before its body",
            vec![Act::Send(head(200, &[("Content-Length", "9")])), Act::Stall],
            READ,
            no_byte,
        ),
        (
            "stalls within its body",
            cut(vec![Act::Stall]),
            READ,
            no_byte,
        ),
        (
            "dribbles its head",
            vec![slowly("HTTP/1.1 200 OK\r\n")],
            READ,
            silent,
        ),
        ("dribbles its body", cut(vec![slowly("x")]), TOTAL, too_long),
        (
            "is cut short",
            cut(vec![Act::Close]),
            Duration::ZERO,
            "the body was cut short",
        ),
        (
            "is cut short by a reset",
            cut(vec![Act::Reset]),
            Duration::ZERO,
            "the body was cut short",
        ),
        (
            "closes before its head",
            vec![Act::Close],
            Duration::ZERO,
            "connection",
        ),
        (
            "resets before its head",
            vec![Act::Reset],
            Duration::ZERO,
            "onnection",
        ),
        (
            "has no end of chunks",
            chunked("5\r\nabcde\r\n", Act::Close),
            Duration::ZERO,
            "the body was cut short",
        ),
        (
            "has a chunk that is too short",
            chunked("50\r\nabcde", Act::Close),
            Duration::ZERO,
            "the body was cut short",
        ),
        (
            "has a chunk without a size",
            chunked("xyz\r\nabcde\r\n0\r\n\r\n", Act::Stall),
            Duration::ZERO,
            "the body was cut short",
        ),
        (
            "stalls between chunks",
            chunked("5\r\nabcde\r\n", Act::Stall),
            READ,
            no_byte,
        ),
        (
            "speaks another language",
            vec![
                Act::Send(b"220 smtp.example.com ESMTP\r\n".to_vec()),
                Act::Stall,
            ],
            Duration::ZERO,
            "invalid HTTP",
        ),
        (
            "has two lengths",
            vec![
                Act::Send(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nabcde"
                        .to_vec(),
                ),
                Act::Stall,
            ],
            Duration::ZERO,
            "content-length",
        ),
        (
            "has a head without end",
            vec![
                Act::Send(b"HTTP/1.1 200 OK\r\n".to_vec()),
                Act::Flood(b"X: 0123456789abcdef\r\n".to_vec(), u64::MAX),
            ],
            Duration::ZERO,
            "head is too large",
        ),
    ];
    for (what, acts, deadline, reason) in cases {
        let server = FaultServer::start(move |_| acts.clone());
        let stage = Stage::new(&server.url(), "");
        let request = HttpRequest {
            limits: limits(),
            ..get("/x")
        };
        let (error, took) = stage.failure(&request).await;
        assert!(error.message.contains(reason), "{what}: {error}");
        assert!(
            error.message.starts_with("GET http://127.0.0.1:"),
            "{what}: {error}"
        );
        assert!(error.retryable, "{what}: {error}");
        assert!(
            (deadline..deadline + SLACK).contains(&took),
            "{what}: {took:?}"
        );
        assert_eq!(server.received().len(), 1, "{what}");
    }
}

#[tokio::test]
async fn a_length_that_is_too_short_leaves_the_rest_and_the_connection() {
    // What follows the announced end is no part of the answer, and not of the next one either.
    let server = FaultServer::start(|request| {
        let mut bytes = head(200, &[("Content-Length", "5")]);
        bytes.extend_from_slice(format!("{:05}HTTP/1.1 200 OK", request.number).as_bytes());
        vec![Act::Send(bytes), Act::Stall]
    });
    let stage = Stage::new(&server.url(), "");
    assert_eq!(stage.text(&get("/x")).await, "00000");
    assert_eq!(stage.text(&get("/x")).await, "00001");
}

#[tokio::test]
async fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let stage = Stage::new(&format!("http://{address}"), "tries: 1");
    for method in [HttpMethod::Get, HttpMethod::Post] {
        let (error, took) = stage.failure(&HttpRequest::new(method, "/x")).await;
        assert!(error.message.contains("Connection refused"), "{error}");
        // Nothing was sent: even a POST may come again.
        assert!(error.retryable && took < SLACK, "{error} {took:?}");
    }
    let stage = Stage::new("http://no-such-host.invalid", "tries: 1");
    let (error, _) = stage.failure(&get("/x")).await;
    assert!(error.message.contains("dns error"), "{error}");
}

#[tokio::test]
async fn a_connection_that_is_never_accepted_ends_at_its_own_deadline() {
    // A queue of one that is full: further connections get no answer.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || tokio::net::TcpStream::connect(address);
    let fill: Vec<_> = (0..8)
        .map(|_| tokio::spawn(tokio::time::timeout(ms(5000), connect())))
        .collect();
    while tokio::time::timeout(ms(100), connect()).await.is_ok() {}
    let stage = Stage::new(
        &format!("http://{address}"),
        "tries: 1, connect_timeout: 300ms",
    );
    let (error, took) = stage.failure(&get("/x")).await;
    assert!(
        error.message.contains("no connection within 300ms"),
        "{error}"
    );
    assert!((READ..READ + SLACK).contains(&took), "{took:?}");
    fill.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn cancelling_ends_a_request_and_a_body_at_once() {
    for (what, acts) in [
        ("before the head", vec![Act::Stall]),
        ("within the body", cut(vec![Act::Stall])),
    ] {
        let server = FaultServer::start(move |_| acts.clone());
        let stage = Stage::new(&server.url(), "");
        let cancel = stage.sending.cancel.clone();
        let url = get("/x");
        let (failure, ()) = tokio::join!(stage.failure(&url), async {
            eventually(async || so(!server.received().is_empty(), || "no request")).await;
            cancel.cancel();
        });
        let (error, took) = failure;
        assert!(error.message.contains("cancelled"), "{what}: {error}");
        assert!(!error.retryable && took < SLACK, "{what}: {took:?}");
    }
}

#[tokio::test]
async fn a_reader_that_takes_its_time_is_not_the_servers_fault() {
    let server = FaultServer::start(|_| ok("0123456789"));
    let stage = Stage::new(&server.url(), "timeout: 300ms, read_timeout: 300ms");
    let mut response = stage.api.send(&get("/x"), &stage.sending).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(ms(500)).await;
    tokio::time::resume();
    let mut text = Vec::new();
    while let Some(chunk) = response.body.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    assert_eq!(text, b"0123456789");
    assert_eq!(
        stage.log(&server),
        ["GET http://127.0.0.1:*/x: 200, 10 bytes"]
    );
}

#[tokio::test]
async fn a_reader_that_asks_again_and_again_still_meets_the_deadline() {
    let server = FaultServer::start(|_| cut(vec![slowly("x")]));
    let stage = Stage::new(&server.url(), "timeout: 900ms, read_timeout: 300ms");
    let began = std::time::Instant::now();
    let mut response = stage
        .api
        .send(&once(get("/x")), &stage.sending)
        .await
        .unwrap();
    let error = loop {
        // As a loop does that also watches a clock.
        match tokio::time::timeout(ms(20), response.body.chunk()).await {
            Err(_) | Ok(Ok(Some(_))) => {}
            Ok(Ok(None)) => panic!("the body has no end"),
            Ok(Err(error)) => break error,
        }
    };
    assert!(error.message.contains("`timeout`"), "{error}");
    assert!(
        (TOTAL..TOTAL + SLACK).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn what_is_not_read_is_told_too() {
    let server = FaultServer::start(|_| ok("0123456789"));
    let stage = Stage::new(&server.url(), "");
    drop(stage.api.send(&get("/x"), &stage.sending).await.unwrap());
    assert_eq!(
        stage.log(&server),
        ["GET http://127.0.0.1:*/x: 200, 0 bytes, not read to its end"]
    );
}
