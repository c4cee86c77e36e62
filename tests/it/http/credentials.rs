//! How connections sign in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runner::connection::HttpRequest;

use super::around::{Stage, get, ms};
use crate::support::fault_server::{Act, FaultServer, Received, ok, reply};

#[tokio::test]
async fn fixed_credentials_are_sent_and_kept_out_of_sight() {
    for (settings, user, expected, secrets) in [
        (
            "auth: { basic: { username: me, password: pass:word } }",
            "",
            "Basic bWU6cGFzczp3b3Jk",
            vec!["pass:word"],
        ),
        (
            "auth: { basic: { username: me } }",
            "",
            "Basic bWU6",
            vec![""],
        ),
        (
            "",
            "me:p%40ss%20word@",
            "Basic bWU6cEBzcyB3b3Jk",
            vec!["p@ss word"],
        ),
        (
            "auth: { bearer: abc.def }",
            "",
            "Bearer abc.def",
            vec!["abc.def"],
        ),
        (
            "headers: { Authorization: Token abcdef }",
            "",
            "Token abcdef",
            vec!["abcdef", "Token abcdef"],
        ),
    ] {
        let server = FaultServer::start(|_| ok("done"));
        let url = server.url().replace("://", &format!("://{user}"));
        let stage = Stage::new(&url, settings);
        stage.text(&get("/x")).await;
        assert_eq!(server.received()[0].header("authorization"), Some(expected));
        assert_eq!(stage.connection.secrets(), secrets);
        let seen = format!("{:?} {:?}", stage.connection, stage.log(&server));
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            assert!(!seen.contains(secret), "{seen}");
        }
        // A request may know better.
        let own = HttpRequest {
            headers: vec![("authorization".to_owned(), "Own".to_owned())],
            ..get("/x")
        };
        stage.text(&own).await;
        assert_eq!(server.received()[1].header("authorization"), Some("Own"));
    }
    let server = FaultServer::start(|_| ok("done"));
    let stage = Stage::new(&server.url(), "auth: { bearer: '' }");
    stage.text(&get("/x")).await;
    assert_eq!(server.received()[0].header("authorization"), None);
}

/// An API whose tokens are counted: `token-1`, `token-2`, …
struct Api {
    server: FaultServer,
    tokens: Arc<AtomicUsize>,
}

/// An API behind tokens that are good for a while, until `refused` says no.
fn api(lifetime: &str, refused: impl Fn(&str) -> bool + Send + Sync + 'static) -> Api {
    let tokens = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tokens);
    let lifetime = lifetime.to_owned();
    let server = FaultServer::start(move |request| {
        if request.target == "/token" {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            let body = format!(
                "{{\"access_token\":\"token-{number}\",\"token_type\":\"Bearer\"{lifetime}}}"
            );
            // Slow enough for others to come meanwhile.
            return [vec![Act::Wait(ms(100))], ok(&body)].concat();
        }
        match request.header("authorization") {
            Some(token) if !refused(token) => ok("done"),
            _ => reply(401, &[], b"token-secret was refused"),
        }
    });
    Api { server, tokens }
}

impl Api {
    fn stage(&self) -> Stage {
        let token_url = format!("{}/token", self.server.url());
        let settings = format!(
            "auth: {{ oauth2: {{ token_url: \"{token_url}\", client_id: me, client_secret: hidden, scope: read }} }}"
        );
        Stage::new(&self.server.url(), &settings)
    }

    fn tokens(&self) -> usize {
        self.tokens.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn one_token_serves_all_who_need_one_at_once() {
    let api = api(",\"expires_in\":3600", |_| false);
    let stage = api.stage();
    let requests: Vec<_> = (0..8).map(|n| get(&format!("/{n}"))).collect();
    let all = requests.iter().map(|request| stage.text(request));
    assert!(
        futures_util::future::join_all(all)
            .await
            .iter()
            .all(|text| text == "done")
    );
    stage.text(&get("/later")).await;
    assert_eq!(api.tokens(), 1);
    let asked: Vec<Received> = api.server.received();
    let token = asked
        .iter()
        .find(|request| request.target == "/token")
        .unwrap();
    assert_eq!(token.method, "POST");
    assert_eq!(token.body, b"grant_type=client_credentials&scope=read");
    assert_eq!(token.header("authorization"), Some("Basic bWU6aGlkZGVu"));
    let authorized = asked.iter().filter(|request| request.target != "/token");
    assert!(
        authorized
            .into_iter()
            .all(|request| request.header("authorization") == Some("Bearer token-1"))
    );
    // What was fetched is as secret as what was configured.
    assert_eq!(stage.sending.masker.mask("it was token-1"), "it was ***");
    assert_eq!(stage.connection.secrets(), ["hidden"]);
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end() {
    let api = api(",\"expires_in\":\"100\"", |_| false);
    let stage = api.stage();
    stage.text(&get("/1")).await;
    stage.text(&get("/2")).await;
    assert_eq!(api.tokens(), 1);
    // A tenth of its life is left.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(91)).await;
    tokio::time::resume();
    stage.text(&get("/3")).await;
    assert_eq!(api.tokens(), 2);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all_who_had_it() {
    let api = api("", |token| token == "Bearer token-1");
    let stage = api.stage();
    let requests: Vec<_> = (0..4).map(|n| get(&format!("/{n}"))).collect();
    let all = requests.iter().map(|request| stage.text(request));
    assert!(
        futures_util::future::join_all(all)
            .await
            .iter()
            .all(|text| text == "done")
    );
    assert_eq!(api.tokens(), 2);
}

#[tokio::test]
async fn a_second_refusal_is_final() {
    let api = api("", |_| true);
    let stage = api.stage();
    let (error, _) = stage.failure(&get("/x")).await;
    assert_eq!(
        (error.status, error.retryable),
        (Some(401), false),
        "{error}"
    );
    assert_eq!(api.tokens(), 2);
    let targets: Vec<String> = api
        .server
        .received()
        .into_iter()
        .map(|r| r.target)
        .collect();
    assert_eq!(targets, ["/token", "/x", "/token", "/x"]);
}

#[tokio::test]
async fn a_server_without_tokens_is_told() {
    for (status, body, retryable, part) in [
        (
            401,
            "{\"error\":\"invalid_client\"}",
            false,
            "no token: POST ",
        ),
        (
            401,
            "{\"error\":\"invalid_client\"}",
            false,
            "invalid_client",
        ),
        (200, "{\"token\":\"x\"}", false, "has no `access_token`"),
        (503, "", true, "503 Service Unavailable"),
    ] {
        let server = FaultServer::start(move |_| reply(status, &[], body.as_bytes()));
        let settings = format!(
            "tries: 1, auth: {{ oauth2: {{ token_url: \"{}/token\", client_id: me, client_secret: hidden, send_in: body }} }}",
            server.url()
        );
        let stage = Stage::new(&server.url(), &settings);
        let (error, _) = stage.failure(&get("/x")).await;
        assert!(error.message.contains(part), "{error}");
        assert_eq!(error.retryable, retryable, "{error}");
        let received = server.received();
        assert_eq!(received.len(), 1);
        assert_eq!(
            received[0].body,
            b"grant_type=client_credentials&client_id=me&client_secret=hidden"
        );
    }
}
