//! Where requests may go.

use runner::connection::{HttpApi, HttpRequest};
use runner::secret::Environment;

use super::around::{Stage, get};
use crate::support::fault_server::{Act, FaultServer, ok, reply};

fn checked(target: &str) -> HttpRequest {
    HttpRequest {
        checked_target: true,
        ..get(target)
    }
}

#[tokio::test]
async fn link_local_and_metadata_addresses_are_refused_where_the_url_comes_from_outside() {
    let stage = Stage::new("http://localhost:9", "");
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xa9.254.43518",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
    ] {
        let (error, _) = stage
            .failure(&checked(&format!("http://{host}/latest")))
            .await;
        assert!(
            error.message.contains("metadata addresses are refused"),
            "{host}: {error}"
        );
        assert!(!error.retryable);
    }
}

#[tokio::test]
async fn a_redirect_cannot_lead_where_the_url_could_not() {
    for target in [
        "http://169.254.169.254/latest",
        "//[::ffff:a9fe:a9fe]/",
        "http://0251.0376.43518/",
    ] {
        let server = FaultServer::start(move |_| reply(302, &[("Location", target)], b""));
        // Not even where the first URL stands in the project.
        let stage = Stage::new(&server.url(), "");
        let (error, _) = stage.failure(&get("/x")).await;
        assert!(
            error.message.contains("metadata addresses are refused"),
            "{target}: {error}"
        );
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn a_connection_can_refuse_more() {
    let server = FaultServer::start(|_| ok("done"));
    for (refused, url) in [
        ("[loopback, private]", server.url()),
        ("127.0.0.0/8", server.url()),
        // By name, too: what it leads to counts.
        ("[127.0.0.0/8, '::1']", server.url_by_name()),
    ] {
        let stage = Stage::new(&url, &format!("refuse: {refused}"));
        let (error, _) = stage.failure(&get("/x")).await;
        assert!(
            error.message.contains("the connection refuses it"),
            "{error}"
        );
        assert!(!error.retryable, "{error}");
    }
    assert!(server.received().is_empty());
    let stage = Stage::new(&server.url_by_name(), "refuse: private");
    assert_eq!(stage.text(&checked("/x")).await, "done");
}

#[tokio::test]
async fn other_origins_see_nothing_of_the_connection() {
    let server = FaultServer::start(|_| ok("done"));
    let stage = Stage::new(
        &server.url_by_name(),
        "headers: { X-Key: hidden }, query: { q: hidden }, auth: { bearer: hidden-token }",
    );
    let elsewhere = format!("{}/x", server.url());
    assert_eq!(stage.text(&get(&elsewhere)).await, "done");
    let received = &server.received()[0];
    assert_eq!(received.target, "/x");
    assert_eq!(received.header("x-key"), None);
    assert_eq!(received.header("authorization"), None);
    // The whole URL of its own origin is as good as a path.
    let own = format!("{}/x", server.url_by_name());
    assert_eq!(stage.text(&get(&own)).await, "done");
    let received = &server.received()[1];
    assert_eq!(received.target, "/x?q=hidden");
    assert_eq!(
        received.header("authorization"),
        Some("Bearer hidden-token")
    );
}

#[tokio::test]
async fn targets_that_are_none_are_refused_before_anything_is_sent() {
    let server = FaultServer::start(|_| ok("done"));
    let stage = Stage::new(&format!("{}/v3", server.url()), "");
    for (target, part) in [
        ("/../admin", "leads out of `base_url`"),
        ("/a#b", "%23"),
        ("ftp://h/x", "neither http nor https"),
        ("http://user:pass@h/x", "use `auth:`"),
    ] {
        let (error, _) = stage.failure(&get(target)).await;
        assert!(error.message.contains(part), "{target}: {error}");
        assert!(!error.message.contains("pass@"), "{error}");
    }
    let anywhere = HttpApi::anywhere(&Environment::default());
    let error = anywhere
        .fetch(&get("/x"), 9, &stage.sending)
        .await
        .unwrap_err();
    assert!(error.message.contains("expected a whole URL"), "{error}");
    let (_, body) = anywhere
        .fetch(&get(&server.url()), 9, &stage.sending)
        .await
        .unwrap();
    assert_eq!(&body[..], b"done");
    for headers in [("Content-Length", "5"), ("A B", "x"), ("X-Own", "a\nb")] {
        let request = HttpRequest {
            headers: vec![(headers.0.to_owned(), headers.1.to_owned())],
            ..get("/x")
        };
        let (error, _) = stage.failure(&request).await;
        assert!(error.message.contains("header"), "{error}");
    }
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn proxies_come_from_the_setting_or_the_environment() {
    // A proxy for http is asked for the whole URL.
    let proxy = FaultServer::start(|_| ok("by proxy"));
    let direct = FaultServer::start(|_| ok("direct"));
    let with = format!("proxy: \"{}\"", proxy.url());
    let stage = Stage::new("http://api.example.invalid", &with);
    assert_eq!(stage.text(&checked("/x?a=1")).await, "by proxy");
    assert_eq!(
        proxy.received()[0].target,
        "http://api.example.invalid/x?a=1"
    );
    let variables = [
        ("HTTP_PROXY", proxy.url()),
        ("NO_PROXY", "127.0.0.1".to_owned()),
    ];
    let pairs: Vec<_> = variables
        .iter()
        .map(|(name, url)| (*name, url.as_str()))
        .collect();
    let api = HttpApi::anywhere(&Environment::from_pairs(&pairs));
    for (url, expected) in [
        ("http://api.example.invalid/y".to_owned(), "by proxy"),
        (direct.url(), "direct"),
    ] {
        let (_, body) = api.fetch(&get(&url), 99, &stage.sending).await.unwrap();
        assert_eq!(&body[..], expected.as_bytes(), "{url}");
    }
    // What a proxy would be asked for is checked before.
    let (error, _) = stage.failure(&checked("http://169.254.169.254/")).await;
    assert!(error.message.contains("are refused"), "{error}");
    let tunnel =
        FaultServer::start(|_| vec![Act::Send(b"HTTP/1.1 403 No\r\n\r\n".to_vec()), Act::Close]);
    let stage = Stage::new(
        "https://api.example.invalid",
        &format!("tries: 1, proxy: \"{}\"", tunnel.url()),
    );
    let (error, _) = stage.failure(&get("/x")).await;
    assert_eq!(tunnel.received()[0].method, "CONNECT", "{error}");
}
