//! What a server gets to see.

use runner::connection::{HttpBody, HttpMethod, HttpRequest};

use super::around::{Stage, get};
use crate::support::fault_server::{FaultServer, Received, ok};

fn server() -> FaultServer {
    FaultServer::start(|_| ok("done"))
}

fn first(server: &FaultServer) -> Received {
    server.received().remove(0)
}

#[tokio::test]
async fn headers_and_query_are_those_of_connection_and_request() {
    let server = server();
    let stage = Stage::new(
        &format!("{}/api/v3", server.url()),
        "headers: { X-A: one, X-B: two, X-C: '', x-api-key: hidden-key }, query: { lang: de, none: '', token: hidden-token, page: 7 }",
    );
    let request = HttpRequest {
        query: vec![("page".to_owned(), "2 & 3".to_owned())],
        headers: vec![
            ("x-a".to_owned(), String::new()),
            ("X-B".to_owned(), "own".to_owned()),
            ("X-B".to_owned(), "again".to_owned()),
        ],
        ..get("/coins/a b?own=1")
    };
    stage.text(&request).await;
    let received = first(&server);
    assert_eq!(received.method, "GET");
    assert_eq!(
        received.target,
        "/api/v3/coins/a%20b?own=1&lang=de&token=hidden-token&page=2+%26+3"
    );
    let all = |name: &str| -> Vec<&str> {
        let found = received.headers.iter().filter(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).collect()
    };
    for (name, expected) in [
        ("x-a", vec![]),
        ("x-b", vec!["own", "again"]),
        ("x-c", vec![]),
        ("x-api-key", vec!["hidden-key"]),
        ("accept-encoding", vec!["gzip, zstd, br"]),
        (
            "user-agent",
            vec![concat!("runner/", env!("CARGO_PKG_VERSION"))],
        ),
        ("authorization", vec![]),
    ] {
        assert_eq!(all(name), expected, "{name}");
    }
    let log = stage.log(&server);
    assert_eq!(
        log,
        [
            "GET http://127.0.0.1:*/api/v3/coins/a%20b?own=1&lang=de&token=***&page=2+%26+3: 200, 4 bytes"
        ]
    );
    let mut secrets = stage.connection.secrets();
    secrets.sort();
    assert_eq!(secrets, ["hidden-key", "hidden-token"]);
    assert!(!format!("{:?}", stage.connection).contains("hidden"));
}

#[tokio::test]
async fn bodies_are_sent_with_type_and_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.csv");
    let text = "0123456789abcdef".repeat(20_000);
    std::fs::write(&path, &text).unwrap();
    let bytes = |text: &str| HttpBody::Bytes {
        content_type: "application/json".to_owned(),
        bytes: text.to_owned().into(),
    };
    let file = HttpBody::File {
        content_type: "text/csv".to_owned(),
        path: path.clone(),
    };
    for (body, content_type, expected) in [
        (bytes("{}"), Some("application/json"), "{}"),
        (bytes(&text), Some("application/json"), text.as_str()),
        (file, Some("text/csv"), text.as_str()),
        (HttpBody::Empty, None, ""),
    ] {
        let server = server();
        let stage = Stage::new(&server.url(), "");
        let request = HttpRequest {
            body,
            ..HttpRequest::new(HttpMethod::Put, "/x")
        };
        stage.text(&request).await;
        let received = first(&server);
        assert_eq!(received.header("content-type"), content_type);
        assert_eq!(received.header("transfer-encoding"), None);
        assert!(
            received.body == expected.as_bytes(),
            "{} bytes",
            received.body.len()
        );
    }
    let server = server();
    let stage = Stage::new(&server.url(), "");
    let request = HttpRequest {
        body: HttpBody::File {
            content_type: "text/csv".to_owned(),
            path: folder.path().join("gone.csv"),
        },
        ..HttpRequest::new(HttpMethod::Put, "/x")
    };
    let (error, _) = stage.failure(&request).await;
    assert!(error.message.contains("gone.csv` can't be sent"), "{error}");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn links_of_an_answer_become_targets() {
    let server = FaultServer::start(|request| match request.number {
        0 => crate::support::fault_server::reply(
            200,
            &[
                ("Link", "<../page?n=2>; rel=\"next\""),
                ("X-Two", "a"),
                ("x-two", "b"),
            ],
            b"",
        ),
        _ => ok("second"),
    });
    let stage = Stage::new(&format!("{}/api/v3", server.url()), "");
    let (head, _) = stage.fetch(&get("/coins/list?key=hidden")).await.unwrap();
    assert_eq!(head.header("LINK"), Some("<../page?n=2>; rel=\"next\""));
    assert_eq!(head.all("x-two").collect::<Vec<_>>(), ["a", "b"]);
    assert!(
        head.url.ends_with("/api/v3/coins/list?key=***"),
        "{}",
        head.url
    );
    let next = head.resolve("../page?n=2").unwrap();
    assert_eq!(next, format!("{}/api/v3/page?n=2", server.url()));
    assert_eq!(stage.text(&get(&next)).await, "second");
    assert_eq!(server.received()[1].target, "/api/v3/page?n=2");
    assert!(head.resolve("http://[").is_err());
}

#[tokio::test]
async fn a_head_has_no_body_however_long_it_says_it_is() {
    let server = FaultServer::start(|_| {
        let headers = [
            ("Content-Length", "5000000000"),
            ("Content-Encoding", "gzip"),
        ];
        vec![crate::support::fault_server::Act::Send(
            crate::support::fault_server::head(200, &headers),
        )]
    });
    let stage = Stage::new(&server.url(), "body_limit: 1kB");
    let (head, body) = stage
        .fetch(&HttpRequest::new(HttpMethod::Head, "/x"))
        .await
        .unwrap();
    assert_eq!(head.header("content-length"), Some("5000000000"));
    assert!(body.is_empty());
}
