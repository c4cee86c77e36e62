//! Where answers lead, and what goes along.

use runner::connection::{HttpBody, HttpMethod, HttpRequest, StatusSet};

use super::around::{Stage, get, ms};
use crate::support::fault_server::{Act, FaultServer, Received, ok, reply};

fn to(status: u16, target: &str) -> Vec<Act> {
    reply(status, &[("Location", target)], b"")
}

#[tokio::test]
async fn loops_and_endless_ways_end() {
    type Play = fn(&Received) -> Vec<Act>;
    let endless: Play = |request| to(302, &format!("/{}", request.number + 1));
    for (play, settings, part, requests) in [
        ((|_| to(302, "/x")) as Play, "", "in a circle", 1),
        (
            |request| to(301, if request.target == "/x" { "/y" } else { "x" }),
            "",
            "in a circle",
            2,
        ),
        (endless, "", "more than 10 times", 11),
        (endless, "redirects: 1", "more than once", 2),
        (endless, "redirects: 0", "redirects aren't followed", 1),
        (|_| to(302, "gopher://h/"), "", "no http URL", 1),
        (|_| to(302, "http://["), "", "no http URL", 1),
    ] {
        let server = FaultServer::start(play);
        let stage = Stage::new(&server.url(), settings);
        let (error, took) = stage.failure(&get("/x")).await;
        assert!(error.message.contains(part), "{error}");
        assert!(!error.retryable && took < ms(1000), "{error}");
        assert_eq!(server.received().len(), requests, "{error}");
    }
}

#[tokio::test]
async fn methods_and_bodies_follow_the_protocol() {
    use HttpMethod::{Get, Head, Patch, Post, Put};
    for (status, method, expected, body) in [
        (301, Post, "GET", ""),
        (302, Post, "GET", ""),
        (303, Post, "GET", ""),
        (307, Post, "POST", "text"),
        (308, Post, "POST", "text"),
        (302, Put, "PUT", "text"),
        (303, Put, "GET", ""),
        (301, Patch, "PATCH", "text"),
        (303, Head, "HEAD", ""),
        (302, Get, "GET", ""),
    ] {
        let server = FaultServer::start(move |request| match request.number {
            0 => to(status, "/there?a=1#part"),
            _ => ok("done"),
        });
        let stage = Stage::new(&server.url(), "");
        let with_body = !matches!(method, Get | Head);
        let request = HttpRequest {
            body: if with_body {
                HttpBody::Bytes {
                    content_type: "text/plain".to_owned(),
                    bytes: "text".into(),
                }
            } else {
                HttpBody::Empty
            },
            ..HttpRequest::new(method, "/x")
        };
        let (head, _) = stage.fetch(&request).await.unwrap();
        let second = &server.received()[1];
        assert_eq!(second.method, expected, "{status} {method:?}");
        assert_eq!(second.target, "/there?a=1");
        assert_eq!(second.body, body.as_bytes(), "{status} {method:?}");
        assert_eq!(second.header("content-type").is_some(), !body.is_empty());
        assert!(head.url.ends_with("/there?a=1"), "{}", head.url);
    }
}

#[tokio::test]
async fn credentials_stay_with_their_origin_and_do_not_come_back() {
    let back = FaultServer::start(|request| match request.target.as_str() {
        "/same" => to(302, "/end"),
        "/end" => ok("done"),
        _ => to(302, "/same"),
    });
    let home = back.url();
    let foreign = FaultServer::start(move |_| to(307, &format!("{home}/end")));
    let away = foreign.url_by_name();
    let start = FaultServer::start(move |request| match request.target.as_str() {
        "/away" => to(307, &format!("{away}/foreign")),
        "/inside" => to(307, "/end"),
        _ => ok("done"),
    });
    let stage = Stage::new(
        &start.url(),
        "headers: { X-Key: hidden }, auth: { basic: { username: me, password: hidden } }",
    );
    let request = |target: &str| HttpRequest {
        headers: vec![
            ("Cookie".to_owned(), "session=1".to_owned()),
            ("Accept".to_owned(), "text/csv".to_owned()),
        ],
        ..get(target)
    };
    assert_eq!(stage.text(&request("/inside")).await, "done");
    for received in start.received() {
        assert_eq!(received.header("authorization"), Some("Basic bWU6aGlkZGVu"));
        assert_eq!(received.header("x-key"), Some("hidden"));
        assert_eq!(received.header("cookie"), Some("session=1"));
    }
    assert_eq!(stage.text(&request("/away")).await, "done");
    let others = [foreign.received(), back.received()].concat();
    assert_eq!(others.len(), 2);
    for received in others {
        assert_eq!(received.header("authorization"), None);
        assert_eq!(received.header("x-key"), None);
        assert_eq!(received.header("cookie"), None);
        assert_eq!(received.header("accept"), Some("text/csv"));
    }
    // Back at the start, but sent there by somebody else.
    let home = start.url();
    let cunning = FaultServer::start(move |_| to(302, &format!("{home}/transfer?all=1")));
    stage.text(&request(&cunning.url())).await;
    let last = start.received().pop().unwrap();
    assert_eq!(last.target, "/transfer?all=1");
    assert_eq!(last.header("authorization"), None);
}

#[tokio::test]
async fn a_redirect_can_be_an_answer() {
    let server = FaultServer::start(|_| to(302, "/there"));
    let stage = Stage::new(&server.url(), "");
    let request = HttpRequest {
        accept: StatusSet::new(vec![302..=302]),
        ..get("/x")
    };
    let (head, _) = stage.fetch(&request).await.unwrap();
    assert_eq!(
        (head.status, head.header("location")),
        (302, Some("/there"))
    );
}

#[tokio::test]
async fn every_hop_is_told() {
    let server = FaultServer::start(|request| match request.number {
        0 => to(302, "/there?token=hidden"),
        _ => ok("done"),
    });
    let stage = Stage::new(&server.url(), "");
    stage.text(&get("/x")).await;
    let origin = "http://127.0.0.1:*";
    assert_eq!(
        stage.log(&server),
        [
            format!("GET {origin}/x: 302, 0 bytes, to {origin}/there?token=***"),
            format!("GET {origin}/there?token=***: 200, 4 bytes"),
        ]
    );
}
