//! What lets nobody in: wrong words of the provider, ways not begun here, a provider that is down.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use runner::store::AccountStore as _;
use serde_json::json;

use super::{Browser, heard, listen, site};
use crate::web::provider::{SECRET, Says, Signed, StandIn};

/// What is wrong, and what the person and the log are told.
#[tokio::test]
async fn what_the_provider_says_wrongly_lets_nobody_in() {
    let now: runner::model::Timestamp = "2026-08-20T12:00:00Z".parse().unwrap();
    let says = Says::claims;
    let signed = |signed| Says {
        signed,
        ..says(json!({}))
    };
    let answers = |status, text: &str| Says {
        answer: Some((status, text.to_owned())),
        ..says(json!({}))
    };
    let believed = "can&#x27;t be believed";
    let past = now.timestamp() - 1;
    let cases = [
        (says(json!({ "nonce": "other" })), 401, believed, "nonce"),
        (says(json!({ "nonce": null })), 401, believed, "nonce"),
        (
            says(json!({ "aud": "other" })),
            401,
            believed,
            "must contain `runner`",
        ),
        (
            says(json!({ "aud": ["runner", "other"] })),
            401,
            believed,
            "`other` is not a trusted audience",
        ),
        (
            says(json!({ "iss": "https://evil.example" })),
            401,
            believed,
            "found `https://evil.example`",
        ),
        (says(json!({ "exp": past })), 401, believed, "xpired"),
        (signed(Signed::Stranger), 401, believed, "ignature"),
        (
            signed(Signed::Secret),
            401,
            believed,
            "algorithm `HS256` is not one of",
        ),
        (signed(Signed::Not), 401, believed, "o signature found"),
        (
            says(json!({ "email_verified": false })),
            403,
            "verify it there",
            "nobody has verified this e-mail address",
        ),
        (
            answers(200, "{\"token_type\": \"Bearer\"}"),
            401,
            believed,
            "can't be read",
        ),
        (
            answers(
                200,
                "{\"access_token\": \"access-4242\", \"token_type\": \"Bearer\"}",
            ),
            401,
            believed,
            "no `id_token`",
        ),
        (
            answers(500, "oh"),
            503,
            "can&#x27;t be reached just now",
            "500",
        ),
        (
            answers(400, "{\"error\": \"invalid_client\"}"),
            401,
            "sign in again",
            "invalid_client",
        ),
        (
            answers(302, ""),
            503,
            "can&#x27;t be reached just now",
            "302",
        ),
    ];
    let provider = StandIn::new(now).await;
    let site = site(&provider, "").await;
    let (log, _listening) = listen();
    for (says, status, told, logged) in cases {
        let what = format!("{says:?}");
        provider.says(says);
        let mut browser = Browser::default();
        let reply = browser.sign_in(&site, &provider).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.body);
        assert!(reply.body.contains(told), "{what}: {}", reply.body);
        assert!(browser.cookies.is_empty(), "{what}");
        let log = heard(&log);
        assert!(log.contains(logged), "{what}: {log}");
        for secret in [SECRET, "access-4242", "code0"] {
            assert!(
                !log.contains(secret) && !reply.body.contains(secret),
                "{what}: {log}"
            );
        }
        site.pass(TimeDelta::minutes(1));
        assert_eq!(site.store.accounts().await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_way_that_was_not_begun_here_lets_nobody_in() {
    let now = "2026-08-20T12:00:00Z".parse().unwrap();
    let provider = StandIn::new(now).await;
    let site = site(&provider, "").await;
    let (log, _listening) = listen();
    let mut browser = Browser::default();
    let back = browser.way_back(&site, &provider).await;
    let (path, state) = back.split_once("&state=").unwrap();
    let elsewhere = "begun elsewhere";
    let iss = "&iss=https://evil.example";
    for (path, cookie, status, told) in [
        (back.clone(), false, 401, elsewhere),
        (path.to_owned(), true, 401, elsewhere),
        (
            format!("{path}&state={}", state.replace('0', "1")),
            true,
            401,
            elsewhere,
        ),
        (format!("{back}{iss}"), true, 401, "believed"),
        (
            format!("/sign-in/callback?error=access_denied&state={state}"),
            true,
            401,
            "Example says no: `access_denied`",
        ),
        (
            format!("/sign-in/callback?error=%3Cscript%3E&state={state}"),
            true,
            401,
            "Example says no: `error`",
        ),
        (
            format!("/sign-in/callback?state={state}"),
            true,
            401,
            "believed",
        ),
    ] {
        let mut browser = Browser {
            cookies: if cookie {
                browser.cookies.clone()
            } else {
                BTreeMap::new()
            },
        };
        let reply = browser.get(&site, &path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
        assert!(reply.body.contains(told), "{path}: {}", reply.body);
        assert!(!reply.body.contains("<script>"), "{path}");
        assert!(browser.cookies.is_empty(), "{path}: once only");
        assert!(!heard(&log).is_empty(), "{path}");
    }
    // What was asked of the provider for another's browser is worth nothing in this one.
    let mut other = Browser::default();
    other.way_back(&site, &provider).await;
    let reply = other.get(&site, &back).await;
    assert_eq!(reply.status, 401);
    // A whole way back is let in, so that all above means something.
    assert_eq!(browser.get(&site, &back).await.status, 200);
}

#[tokio::test]
async fn a_provider_that_is_down_or_another_says_so() {
    let now = "2026-08-20T12:00:00Z".parse().unwrap();
    let mut provider = StandIn::new(now).await;
    let site = site(&provider, "").await;
    let (log, _listening) = listen();
    provider.says(Says {
        issuer: Some("https://evil.example".to_owned()),
        ..Says::claims(json!({}))
    });
    let reply = Browser::default().get(&site, "/sign-in/provider").await;
    assert_eq!(reply.status, 503);
    let text = heard(&log);
    assert!(
        text.contains("unexpected issuer URI `https://evil.example`"),
        "{text}"
    );
    provider.stop().await;
    let reply = Browser::default().get(&site, "/sign-in/provider").await;
    assert_eq!(reply.status, 503);
    assert!(
        reply.body.contains("Example can&#x27;t be reached"),
        "{}",
        reply.body
    );
    // Whoever has a password still comes in.
    assert!(reply.body.contains("type=\"password\""), "{}", reply.body);
    let text = heard(&log);
    assert!(text.contains("refused"), "{text}");
}
