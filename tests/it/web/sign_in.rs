//! Signing in: by a link, by a password, and not too often.

use std::os::unix::fs::PermissionsExt as _;

use chrono::TimeDelta;
use runner::store::{AccessKind, Account, AccountStore as _, Role};
use runner::web::account::PasswordHash;
use runner::web::{Server, Serving, Unfit};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use super::client::FILES;
use super::{Ask, Reply, Site};
use crate::support::eventually::DEADLINE;

const PASSWORD: &str = "correct horse battery";

/// `name=value` of the cookie that an answer sets.
fn cookie(reply: &Reply) -> Option<String> {
    let set = reply.header("set-cookie")?;
    Some(set.split(';').next()?.to_owned())
}

fn sign_in(site: &Site, user: &str, password: &str) -> Ask {
    let password = password.replace(' ', "+");
    Ask::new("POST", "/sign-in")
        .header("origin", &site.origin())
        .form(&format!("user={user}&password={password}&next=/"))
}

async fn with_password(site: &Site) {
    let account = Account {
        name: "ana".to_owned(),
        role: Role::Operator,
        password: Some(PasswordHash::of(PASSWORD).unwrap().0),
        created: site.now(),
        subject: None,
    };
    site.store.put_account(&account).await.unwrap();
}

#[tokio::test]
async fn the_first_link_lets_in_once() {
    let site = Site::new().await;
    let url = format!("http://{}", site.address);
    let link = site.app.accounts.first_link(&url, site.now()).await;
    let link = link.unwrap().expect("nobody has a password");
    let file = site.folder.path().join(".runner/sign-in-link");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), link);
    let ask = Ask::new("GET", link.strip_prefix(&url).unwrap());
    let reply = ask.send(&site).await;
    assert_eq!((reply.status, reply.header("location")), (303, Some("/")));
    let set = reply.header("set-cookie").unwrap();
    for word in ["httponly", "samesite=strict", "path=/"] {
        assert!(set.contains(word), "{set}");
    }
    assert!(!file.exists());
    let home = Ask::new("GET", "/").header("cookie", &cookie(&reply).unwrap());
    assert_eq!(home.send(&site).await.status, 200);
    let again = ask.send(&site).await;
    assert_eq!(again.status, 401);
    assert!(cookie(&again).is_none());
    // Nothing of the secret is in the store's file.
    let secret = link.rsplit('_').next().unwrap();
    for name in ["state.db", "state.db-wal"] {
        let bytes = std::fs::read(site.folder.path().join(".runner").join(name)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(secret), "{name}");
    }
}

#[tokio::test]
async fn a_later_start_makes_earlier_links_worthless() {
    let site = Site::new().await;
    let first = site.app.accounts.first_link("", site.now()).await.unwrap();
    let second = site.app.accounts.first_link("", site.now()).await.unwrap();
    let reply = Ask::new("GET", &first.unwrap()).send(&site).await;
    assert_eq!(reply.status, 401);
    site.pass(TimeDelta::days(2));
    let reply = Ask::new("GET", &second.unwrap()).send(&site).await;
    assert_eq!(reply.status, 401, "it has expired");
    with_password(&site).await;
    let none = site.app.accounts.first_link("", site.now()).await.unwrap();
    assert_eq!(none, None);
}

#[tokio::test]
async fn a_password_lets_in_until_the_session_ends() {
    let site = Site::new().await;
    with_password(&site).await;
    let wrong = sign_in(&site, "ana", "correct horse batterx");
    let wrong = wrong.send(&site).await;
    assert_eq!(wrong.status, 401);
    let unknown = sign_in(&site, "ben", PASSWORD).send(&site).await;
    assert_eq!((unknown.status, &unknown.body), (401, &wrong.body));
    let reply = sign_in(&site, "ana", PASSWORD).send(&site).await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    let cookie = cookie(&reply).unwrap();
    let home = Ask::new("GET", "/").header("cookie", &cookie);
    assert_eq!(home.send(&site).await.status, 200);
    let sessions = site.store.accesses(AccessKind::Session, Some("ana")).await;
    let [session] = &sessions.unwrap()[..] else {
        panic!("one session")
    };
    site.store.remove_access(&session.id).await.unwrap();
    assert_eq!(home.send(&site).await.status, 401);
    let deeds = site.store.deeds(None, 10).await.unwrap();
    let deeds: Vec<(&str, u16)> = deeds
        .iter()
        .map(|deed| (deed.detail.as_str(), deed.status))
        .collect();
    assert_eq!(deeds, [("ana", 303), ("ben", 401), ("ana", 401)]);
}

#[tokio::test]
async fn a_link_on_another_site_leads_to_the_page() {
    let site = Site::new().await;
    let from = |place: &str| {
        let ask = Ask::new("GET", "/runs").header("accept", "text/html");
        ask.header("sec-fetch-mode", "navigate")
            .header("sec-fetch-site", place)
    };
    // Browsers keep the session's cookie back, and send it when the page asks for itself.
    let reply = from("cross-site").send(&site).await;
    assert_eq!(reply.status, 401);
    assert!(
        reply.body.contains(r#"http-equiv="refresh""#),
        "{}",
        reply.body
    );
    let reply = from("same-origin").send(&site).await;
    assert_eq!(reply.status, 401);
    assert!(!reply.body.contains("refresh"), "{}", reply.body);
    assert!(reply.body.contains("Sign in"), "{}", reply.body);
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends() {
    let site = Site::new().await;
    with_password(&site).await;
    let reply = sign_in(&site, "ana", PASSWORD).send(&site).await;
    let home = Ask::new("GET", "/").header("cookie", &cookie(&reply).unwrap());
    site.pass(TimeDelta::days(6));
    assert_eq!(home.send(&site).await.status, 200);
    site.pass(TimeDelta::days(6));
    assert_eq!(home.send(&site).await.status, 200, "it was used meanwhile");
    site.pass(TimeDelta::days(8));
    assert_eq!(home.send(&site).await.status, 401);
}

#[tokio::test]
async fn whoever_guesses_has_to_wait() {
    let site = Site::new().await;
    // Nobody has this name, so that no hash is computed for long.
    let mut last = 0;
    let mut tries = 0;
    while last != 429 && tries < 50 {
        let reply = sign_in(&site, "nobody", "x").send(&site).await;
        last = reply.status;
        tries += 1;
        if last == 429 {
            assert!(reply.header("retry-after").is_some());
        }
    }
    assert!((5..=20).contains(&tries), "{tries}");
    // What is refused for being too often costs no room.
    let deeds = site.store.deeds(None, 100).await.unwrap();
    assert_eq!(deeds.len(), tries - 1);
    site.pass(TimeDelta::hours(1));
    let reply = sign_in(&site, "nobody", "x").send(&site).await;
    assert_eq!(reply.status, 401);
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let site = Site::new().await;
    let (cookie, csrf) = site.session(Role::Viewer).await;
    let out = Ask::new("POST", "/sign-out")
        .header("cookie", &cookie)
        .header("origin", &site.origin())
        .form(&format!("csrf={csrf}"));
    assert_eq!(out.send(&site).await.status, 303);
    let home = Ask::new("GET", "/").header("cookie", &cookie);
    assert_eq!(home.send(&site).await.status, 401);
}

/// Without signing in it is served on this machine only, and still only to its own pages.
#[tokio::test]
async fn nobody_serves_strangers_without_signing_in() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let serving = Serving {
            listen: address.parse().unwrap(),
            public_urls: Vec::new(),
            trusted_proxies: Vec::new(),
            open: true,
        };
        let refused = Server::bind(&serving).await.unwrap_err();
        assert!(matches!(refused, Unfit::Open(_)), "{address}: {refused}");
        assert!(refused.help().contains("127.0.0.1"));
    }
    let site = Site::of(FILES, true).await;
    assert_eq!(Ask::new("GET", "/").send(&site).await.status, 200);
    let put = Ask::new("PUT", "/api/v1/dags/daily/paused").json(&json!({ "paused": true }));
    assert_eq!(put.send(&site).await.status, 403, "from nowhere");
    let foreign = put.clone().header("origin", "http://evil.example");
    assert_eq!(foreign.send(&site).await.status, 403);
    let own = put.header("origin", &site.origin());
    assert_eq!(own.send(&site).await.status, 200);
}

/// What looks at links before a person does, doesn't use them up.
#[tokio::test]
async fn a_link_waits_for_its_person() {
    let site = Site::new().await;
    let link = site.app.accounts.first_link("", site.now()).await;
    let link = link.unwrap().unwrap();
    let ahead = Ask::new("GET", &link).header("sec-purpose", "prefetch;prerender");
    for ask in [Ask::new("HEAD", &link), ahead] {
        let reply = ask.send(&site).await;
        assert_eq!((reply.status, cookie(&reply)), (503, None));
    }
    assert_eq!(Ask::new("GET", &link).send(&site).await.status, 303);
    let deed = &site.store.deeds(None, 1).await.unwrap()[0];
    assert_eq!(
        (deed.detail.as_str(), deed.status),
        ("admin by a link", 303)
    );
}

/// Who listens is heard of no more when what let them in has ended.
#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let site = Site::new().await;
    for ends_by in ["sign-out", "no account", "time"] {
        let (cookie, _) = site.session(Role::Viewer).await;
        let ask = Ask::new("GET", "/live/home").header("cookie", &cookie);
        let mut stream = ask.open(site.address).await;
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains("event: changed") {
            assert!(stream.read_buf(&mut heard).await.unwrap() > 0, "{heard:?}");
        }
        let sessions = site.store.accesses(AccessKind::Session, None).await;
        for session in sessions.unwrap() {
            match ends_by {
                "time" => {
                    let now = site.now();
                    site.store
                        .see_access(&session.id, now, Some(now))
                        .await
                        .unwrap();
                }
                "sign-out" => {
                    site.store.remove_access(&session.id).await.unwrap();
                }
                _ => {
                    site.store.remove_account(&session.account).await.unwrap();
                }
            }
        }
        let end = stream.read_to_end(&mut heard);
        let end = tokio::time::timeout(DEADLINE, end).await;
        assert!(end.is_ok(), "{ends_by}");
    }
}
