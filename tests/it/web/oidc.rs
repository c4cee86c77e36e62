//! Signing in by a provider that knows people, and all that can be wrong with it.

mod refused;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use runner::store::{AccountStore as _, Role};
use serde_json::json;

use super::client::FILES;
use super::provider::{SECRET, Says, Signed, StandIn};
use super::{Ask, Reply, Site};

/// A project whose people sign in by a provider.
async fn site(provider: &StandIn, more: &str) -> Site {
    let settings = format!(
        "sign_in:\n  issuer: {}\n  client_id: runner\n  client_secret: {{ secret: {{ file: secret.txt }} }}\n  \
         viewer: readers\n  operator: [team, other-team]\n  admin: admins\n  label: Example\n  \
         scopes: groups\n{more}",
        provider.issuer()
    );
    let mut files = vec![("runner.yaml", settings.as_str()), ("secret.txt", SECRET)];
    files.extend(FILES.iter().filter(|(path, _)| *path != "runner.yaml"));
    Site::of(&files, false).await
}

/// A browser, as far as cookies go.
#[derive(Default)]
struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    async fn get(&mut self, site: &Site, path: &str) -> Reply {
        let jar = self.cookies.iter();
        let jar: Vec<String> = jar.map(|(name, value)| format!("{name}={value}")).collect();
        let mut ask = Ask::new("GET", path);
        if !jar.is_empty() {
            ask = ask.header("cookie", &jar.join("; "));
        }
        let reply = ask.send(site).await;
        for line in reply.raw.lines() {
            let Some(set) = line.strip_prefix("set-cookie: ") else {
                continue;
            };
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    /// To the provider and back, up to the address that it leads back to.
    async fn way_back(&mut self, site: &Site, provider: &StandIn) -> String {
        let reply = self.get(site, "/sign-in/provider?next=/runs").await;
        assert_eq!(reply.status, 303, "{}", reply.body);
        let there = reply.location();
        let there = there.strip_prefix(&provider.issuer()).unwrap();
        let reply = Ask::new("GET", there).send_to(provider.address()).await;
        assert_eq!(reply.status, 303);
        let back = reply.location();
        back.strip_prefix(&site.origin()).unwrap().to_owned()
    }

    async fn sign_in(&mut self, site: &Site, provider: &StandIn) -> Reply {
        let back = self.way_back(site, provider).await;
        self.get(site, &back).await
    }
}

/// What the log says, as long as the guard lives.
fn listen() -> (Arc<Mutex<Vec<u8>>>, tracing::subscriber::DefaultGuard) {
    struct Into(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Into {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let heard = Arc::new(Mutex::new(Vec::new()));
    let into = heard.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || Into(into.clone()))
        .finish();
    (heard, tracing::subscriber::set_default(subscriber))
}

fn heard(log: &Mutex<Vec<u8>>) -> String {
    let bytes = std::mem::take(&mut *log.lock().unwrap());
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn whom_the_provider_knows_comes_in() {
    for signed in [Signed::Es256, Signed::Rs256] {
        let now = "2026-08-20T12:00:00Z".parse().unwrap();
        let provider = StandIn::new(now).await;
        let site = site(&provider, "").await;
        let mut browser = Browser::default();
        let page = browser.get(&site, "/sign-in?next=/runs").await;
        assert!(page.body.contains("Sign in with Example"), "{}", page.body);
        let way = "/sign-in/provider?next=&#x2f;runs";
        assert!(page.body.contains(way), "{}", page.body);
        provider.says(Says {
            signed,
            ..Says::claims(json!({}))
        });
        let back = browser.way_back(&site, &provider).await;
        let flow = browser.cookies.clone();
        let reply = browser.get(&site, &back).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        // As a page of ours: a strict cookie isn't sent on the way from elsewhere.
        assert!(reply.body.contains("url=&#x2f;runs"), "{}", reply.body);
        assert!(reply.raw.contains("SameSite=Strict"), "{}", reply.raw);
        assert_eq!(browser.get(&site, "/runs").await.status, 200);
        let account = site
            .store
            .account("ana@example.org")
            .await
            .unwrap()
            .unwrap();
        assert_eq!((account.role, account.password), (Role::Operator, None));
        let deed = &site.store.deeds(None, 1).await.unwrap()[0];
        assert_eq!(
            deed.detail,
            "ana@example.org by the provider, first, as operator"
        );

        // The same way again leads nowhere: neither in this browser nor with its cookie.
        let again = browser.get(&site, &back).await;
        assert_eq!(again.status, 401);
        assert!(again.body.contains("begun elsewhere"), "{}", again.body);
        let mut thief = Browser { cookies: flow };
        let again = thief.get(&site, &back).await;
        assert_eq!(again.status, 401);
        assert!(again.body.contains("any more"), "{}", again.body);

        // The role is what the provider says, each time.
        provider.says(Says::claims(json!({ "roles": ["readers"] })));
        let mut other = Browser::default();
        assert_eq!(other.sign_in(&site, &provider).await.status, 200);
        let account = site
            .store
            .account("ana@example.org")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(account.role, Role::Viewer);

        // However busy somebody is, a session ends.
        site.pass(TimeDelta::hours(11));
        assert_eq!(browser.get(&site, "/runs").await.status, 200);
        site.pass(TimeDelta::hours(2));
        assert_eq!(browser.get(&site, "/runs").await.status, 401);
    }
}

#[tokio::test]
async fn without_a_role_an_account_ends() {
    let now = "2026-08-20T12:00:00Z".parse().unwrap();
    let provider = StandIn::new(now).await;
    let site = site(&provider, "").await;
    let mut browser = Browser::default();
    assert_eq!(browser.sign_in(&site, &provider).await.status, 200);
    assert_eq!(browser.get(&site, "/runs").await.status, 200);
    let (log, _listening) = listen();
    provider.says(Says::claims(json!({ "roles": ["visitors"] })));
    let reply = Browser::default().sign_in(&site, &provider).await;
    assert_eq!(reply.status, 403);
    assert!(
        reply.body.contains("gives `ana@example.org` a role"),
        "{}",
        reply.body
    );
    let log = heard(&log);
    assert!(
        log.contains("no value of these claims gives a role"),
        "{log}"
    );
    assert_eq!(site.store.account("ana@example.org").await.unwrap(), None);
    assert_eq!(browser.get(&site, "/runs").await.status, 401);
}

#[tokio::test]
async fn nobody_becomes_somebody_else() {
    let now = "2026-08-20T12:00:00Z".parse().unwrap();
    let provider = StandIn::new(now).await;
    let site = site(&provider, "  name: nick\n").await;
    site.account(Role::Admin).await;
    provider.says(Says::claims(json!({ "nick": "admin" })));
    assert_eq!(
        Browser::default().sign_in(&site, &provider).await.status,
        200
    );
    let admin = site.store.account("admin").await.unwrap().unwrap();
    assert_eq!((admin.role, admin.subject), (Role::Admin, None));
    let accounts = site.store.accounts().await.unwrap();
    assert!(accounts.len() == 2 && accounts[1].name.starts_with("admin@127.0.0.1"));
    // Another person whom the provider calls the same.
    provider.says(Says::claims(
        json!({ "nick": "admin", "sub": "8", "roles": ["admins"] }),
    ));
    let reply = Browser::default().sign_in(&site, &provider).await;
    assert_eq!(reply.status, 403);
    assert!(reply.body.contains("somebody else here"), "{}", reply.body);
    let accounts = site.store.accounts().await.unwrap();
    assert!(
        accounts
            .iter()
            .all(|account| account.role <= Role::Operator || account.subject.is_none())
    );
    // The same person by another name stays who they are.
    provider.says(Says::claims(json!({ "nick": "root" })));
    assert_eq!(
        Browser::default().sign_in(&site, &provider).await.status,
        200
    );
    assert_eq!(site.store.accounts().await.unwrap().len(), 2);
}

#[tokio::test]
async fn passwords_can_be_off() {
    let now = "2026-08-20T12:00:00Z".parse().unwrap();
    let provider = StandIn::new(now).await;
    let site = site(&provider, "  passwords: false\n").await;
    let page = Ask::new("GET", "/sign-in").send(&site).await;
    assert!(!page.body.contains("type=\"password\""), "{}", page.body);
    let form = Ask::new("POST", "/sign-in").header("origin", &site.origin());
    let reply = form.form("user=ana&password=x&next=/").send(&site).await;
    assert_eq!(reply.status, 403);
    assert!(
        reply.body.contains("sign in with Example"),
        "{}",
        reply.body
    );
    // A link is the way in when the provider has gone.
    let link = site.app.accounts.first_link("", site.now()).await.unwrap();
    let reply = Ask::new("GET", &link.unwrap()).send(&site).await;
    assert_eq!(reply.status, 303);
}
