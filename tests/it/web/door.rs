//! The door, asked about every route of the table.

use runner::store::{Role, Scope};
use runner::web::{Needs, Route, Verb, routes};

use super::{Ask, Site};

/// A path that a route's pattern takes, about nothing that exists.
fn path(route: &Route) -> String {
    let parts = route.path.split('/').map(|part| match part {
        "{file}" => "none.css",
        "{number}" => "7",
        part if part.starts_with('{') => "none",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

fn ask(route: &Route) -> Ask {
    Ask::new(route.verb.as_str(), &path(route))
}

/// What an admin's token is answered is anything but a refusal; all other refusals mean something
/// because of that.
#[tokio::test]
async fn every_route_opens_to_whom_it_should() {
    let site = Site::new().await;
    let admin = site.token(Role::Admin, None).await;
    for route in routes().filter(|route| !route.stream) {
        let reply = ask(route).bearer(&admin).send(&site).await;
        assert!(
            ![401, 403, 405, 500].contains(&reply.status),
            "{} {}: {} {}",
            route.verb.as_str(),
            route.path,
            reply.status,
            reply.body
        );
    }
}

#[tokio::test]
async fn every_route_refuses_whom_it_should() {
    let site = Site::new().await;
    let admin = site.token(Role::Admin, None).await;
    let (cookie, csrf) = site.session(Role::Admin).await;
    let viewer = site.token(Role::Viewer, None).await;
    let operator = site.token(Role::Operator, None).await;
    let nothing = site.token(Role::Admin, Some(&[])).await;
    let reader = site.token(Role::Admin, Some(&[Scope::Read])).await;
    let mut asked = 0;
    for route in routes() {
        let name = format!("{} {}", route.verb.as_str(), route.path);
        let ask = ask(route);
        let public = route.needs == Needs::Nothing;
        let mut cases: Vec<(&str, Ask, &[u16])> = vec![
            (
                "a foreign host",
                ask.clone().bearer(&admin).header("host", "evil.example"),
                &[403],
            ),
            (
                "our host, another port",
                ask.clone().bearer(&admin).header("host", "127.0.0.1:1"),
                &[403],
            ),
            (
                "a foreign origin",
                ask.clone()
                    .bearer(&admin)
                    .header("origin", "http://evil.example"),
                &[403],
            ),
            (
                "no origin",
                ask.clone().bearer(&admin).header("origin", "null"),
                &[403],
            ),
            (
                "another site's script",
                ask.clone()
                    .bearer(&admin)
                    .header("sec-fetch-site", "cross-site")
                    .header("sec-fetch-mode", "no-cors"),
                &[403],
            ),
            (
                "another port's script",
                ask.clone()
                    .bearer(&admin)
                    .header("sec-fetch-site", "same-site")
                    .header("sec-fetch-mode", "cors"),
                &[403],
            ),
            (
                "a cross-origin preflight",
                Ask::new("OPTIONS", &path(route)).header("origin", "http://evil.example"),
                &[403, 405],
            ),
            ("TRACE", Ask::new("TRACE", &path(route)), &[405]),
            (
                "PATCH",
                Ask::new("PATCH", &path(route)).bearer(&admin),
                &[405],
            ),
            (
                "a method of WebDAV",
                Ask::new("PROPFIND", &path(route)).bearer(&admin),
                &[405],
            ),
            (
                "a method in small letters",
                Ask::new("get", &path(route)).bearer(&admin),
                &[405],
            ),
            (
                "two hosts",
                ask.clone()
                    .bearer(&admin)
                    .another_host(&site.address.to_string()),
                &[400, 403],
            ),
        ];
        if !public {
            cases.extend([
                ("nobody", ask.clone(), &[401][..]),
                (
                    "nobody, who says that it is another method",
                    ask.clone().header("x-http-method-override", "OPTIONS"),
                    &[401],
                ),
                (
                    "nobody, who says that it came to another path",
                    ask.clone()
                        .header("x-original-url", "/healthz")
                        .header("x-rewrite-url", "/healthz"),
                    &[401],
                ),
                (
                    "nobody, for a socket",
                    ask.clone()
                        .header("upgrade", "websocket")
                        .header("sec-websocket-version", "13"),
                    &[401],
                ),
                (
                    "a token that opens nothing",
                    ask.clone().bearer("runner_0123456789abcdef_00"),
                    &[401],
                ),
                (
                    "a token of another kind",
                    ask.clone().bearer(&cookie[cookie.find('=').unwrap() + 1..]),
                    &[401],
                ),
                (
                    "a token in the wrong dress",
                    ask.clone()
                        .header("authorization", &format!("Basic {admin}")),
                    &[401],
                ),
                (
                    "a cookie of another name",
                    ask.clone().header("cookie", &format!("x{cookie}")),
                    &[401],
                ),
            ]);
        }
        if !public && route.verb == Verb::Get {
            cases.push((
                "nobody, for the head",
                Ask::new("HEAD", &path(route)),
                &[401],
            ));
        }
        let token_of = |token: &str| ask.clone().bearer(token);
        if matches!(route.needs, Needs::Read | Needs::Run | Needs::Admin) {
            cases.push(("a token without scopes", token_of(&nothing), &[403]));
        }
        if matches!(route.needs, Needs::Run | Needs::Admin) {
            cases.push(("a viewer", token_of(&viewer), &[403]));
            cases.push(("a token that may only read", token_of(&reader), &[403]));
        }
        if route.needs == Needs::Admin {
            cases.push(("an operator", token_of(&operator), &[403]));
        }
        if route.verb != Verb::Get && !public {
            let signed_in = ask.clone().header("cookie", &cookie);
            let own = signed_in.clone().header("origin", &site.origin());
            cases.extend([
                ("a session without a page", signed_in.clone(), &[403][..]),
                ("a session without its word", own.clone(), &[403]),
                (
                    "a session with another's word",
                    own.clone().header("x-csrf-token", &csrf.replace('0', "1")),
                    &[403],
                ),
                (
                    "a form without its word",
                    own.clone().form("csrf=&a=b"),
                    &[403],
                ),
                (
                    "a session's word, from elsewhere",
                    signed_in
                        .header("x-csrf-token", &csrf)
                        .header("origin", "http://evil.example"),
                    &[403],
                ),
            ]);
        }
        for (what, ask, expected) in cases {
            let reply = ask.send(&site).await;
            let status = reply.status;
            assert!(expected.contains(&status), "{name}, {what}: {status}");
            assert!(reply.header("set-cookie").is_none(), "{name}, {what}");
            let cors = reply.head.contains("access-control-");
            assert!(!cors, "{name}, {what}: {}", reply.head);
            asked += 1;
        }
    }
    assert!(asked > routes().count() * 8, "{asked}");
}

/// A path has one spelling: each other one leads nowhere, signed in or not.
#[tokio::test]
async fn encoded_and_doubled_paths_lead_nowhere() {
    let site = Site::new().await;
    let admin = site.token(Role::Admin, None).await;
    for route in routes() {
        let path = path(route);
        let last = path.rfind('/').unwrap();
        let (before, name) = path.split_at(last + 1);
        let mut spellings = vec![
            format!("/{path}"),
            format!("//{path}"),
            format!("/.{path}"),
            format!("/none/..{path}"),
            format!("/%2e{path}"),
            format!("/%2e%2e{path}"),
            format!("{path}%00"),
            format!("{path}%20"),
            format!("{path};a"),
            format!("{path}/."),
            format!("{before}%2f{name}"),
            format!("{}%2F{name}", &path[..last]),
            format!("http://{}{path}", site.address),
        ];
        if path != "/" {
            spellings.push(format!("{path}/"));
            spellings.push(format!("{path}//"));
        }
        if let Some(first) = name.chars().next() {
            let encoded = format!("%{:02x}", u32::from(first));
            spellings.push(format!("{before}{encoded}{}", &name[1..]));
            let upper = name.to_ascii_uppercase();
            if !route.path.ends_with('}') && upper != name {
                spellings.push(format!("{before}{upper}"));
            }
        }
        for spelling in spellings {
            let ask = Ask::new(route.verb.as_str(), &spelling).bearer(&admin);
            let reply = ask.send(&site).await;
            let status = reply.status;
            assert!([400, 404].contains(&status), "{spelling}: {status}");
        }
    }
}

#[tokio::test]
async fn every_answer_says_what_protects() {
    let site = Site::new().await;
    let admin = site.token(Role::Admin, None).await;
    for ask in [
        Ask::new("GET", "/"),
        Ask::new("GET", "/nowhere"),
        Ask::new("GET", "/healthz"),
        Ask::new("GET", "/").bearer(&admin),
        Ask::new("GET", "/api/v1/dags").bearer(&admin),
        Ask::new("GET", "/").header("host", "evil.example"),
    ] {
        let reply = ask.send(&site).await;
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
        assert!(policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("x-frame-options"), Some("deny"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert!(reply.header("server").is_none());
    }
}

/// A page is shown the way in, a program the problem.
#[tokio::test]
async fn nobody_is_told_how_to_come_in() {
    let site = Site::new().await;
    let page = Ask::new("GET", "/").header("accept", "text/html,*/*");
    let reply = page.send(&site).await;
    assert_eq!(reply.status, 401);
    assert!(reply.body.contains("action=/sign-in") || reply.body.contains("action=\"/sign-in\""));
    let reply = Ask::new("GET", "/api/v1/dags").send(&site).await;
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(reply.json()["status"], 401);
    assert!(reply.header("www-authenticate").is_some());
}
