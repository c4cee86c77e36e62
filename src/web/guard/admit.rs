//! Whether a request may come in.

use std::net::{IpAddr, Ipv4Addr};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};

use super::super::account::{Key, same};
use super::super::route::{Needs, Route, Verb};
use super::super::{App, Problem};
use super::caller::{Caller, Peer, Via};
use super::origin::{self, Told};
use super::path::{Found, find, methods};
use crate::store::{AccessKind, Role};

/// The largest body of a request, in bytes.
const BODY: usize = 1024 * 1024;

/// Lets a request in, with who asks written on it.
pub(super) async fn admit(
    app: &App,
    mut request: Request,
) -> Result<(&'static Route, Caller, Request), Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none());
    if !host.is_some_and(|host| app.hosts.allows(host.as_bytes())) {
        return Err(
            Problem::new(StatusCode::FORBIDDEN, "it isn't served under this name")
                .help("`--public-url URL` adds the name under which people reach it"),
        );
    }
    let route = match find(request.method(), request.uri()) {
        Found::Route(route) => route,
        Found::OtherMethod => {
            let mut problem =
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "it can't be asked for so");
            problem.allow = Some(methods(request.uri()));
            return Err(problem);
        }
        Found::Nothing => return Err(Problem::missing("there is nothing here")),
    };
    let told = Told::of(request.headers());
    origin::check(app, route, &told)?;
    let peer = request.extensions().get::<Peer>();
    let address = match peer {
        Some(Peer(peer)) => app.proxies.client(*peer, request.headers()),
        None => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
    };
    // Through the socket only this machine asks.
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let caller = if route.needs == Needs::Nothing {
        // Who asks is of no concern; what looks like a token may be something else's.
        Caller::nobody(address)
    } else {
        caller(app, request.headers(), address).await?
    };
    if !caller.may(route.needs) {
        return Err(match &caller.via {
            Via::Nobody => Problem::new(StatusCode::UNAUTHORIZED, "nobody is signed in")
                .help("programs send `Authorization: Bearer TOKEN`: `runner token add` makes one"),
            _ => Problem::new(StatusCode::FORBIDDEN, "this account or token may not do it")
                .help(route.needs.help()),
        });
    }
    origin::check_session(route, &told, &caller.via)?;
    if too_long(request.headers()) {
        return Err(large());
    }
    if route.verb != Verb::Get
        && let Some(csrf) = caller.csrf.as_deref()
    {
        request = check_csrf(request, csrf).await?;
    }
    request.extensions_mut().insert(caller.clone());
    Ok((route, caller, request))
}

/// The name of a cookie: without a word the one of sessions. Browsers keep one jar for all ports of a
/// machine, so the port is in it.
pub(in crate::web) fn cookie_name(app: &App, word: &str) -> String {
    let dash = if word.is_empty() { "" } else { "-" };
    // Only what is served by HTTPS may use the prefix that pins a cookie to its host.
    if app.hosts.is_https() {
        format!("__Host-runner{dash}{word}")
    } else {
        format!("runner{dash}{word}-{}", app.hosts.port())
    }
}

/// What a browser has kept in a cookie of ours.
pub(in crate::web) fn cookie_value<'a>(
    headers: &'a HeaderMap,
    app: &App,
    word: &str,
) -> Option<&'a str> {
    let name = cookie_name(app, word);
    let all = headers.get_all(header::COOKIE).into_iter();
    let all = all.filter_map(|value| value.to_str().ok());
    let mut pairs = all
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(own, _)| *own == name)?;
    Some(value)
}

async fn caller(app: &App, headers: &HeaderMap, address: IpAddr) -> Result<Caller, Problem> {
    let nobody = Caller::nobody(address);
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        // Whoever presents a token isn't let in by something else.
        let wrong = || {
            Problem::new(StatusCode::UNAUTHORIZED, "the token opens nothing").help(
                "it may have expired: `runner token list` shows all, `runner token add` makes one",
            )
        };
        let text = value.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token)
        });
        let key = text.and_then(|text| Key::read(AccessKind::Token, text));
        let Some((access, account)) = (match key {
            Some(key) => app.accounts.open(&key, app.now()).await?,
            None => None,
        }) else {
            return Err(wrong());
        };
        return Ok(Caller {
            account: account.name,
            role: Some(account.role),
            scopes: access.scopes,
            via: Via::Token(access.id),
            ..nobody
        });
    }
    if app.open {
        return Ok(Caller {
            account: "anybody".to_owned(),
            role: Some(Role::Admin),
            via: Via::Open,
            ..nobody
        });
    }
    let kept = cookie_value(headers, app, "");
    let Some(key) = kept.and_then(|kept| Key::read(AccessKind::Session, kept)) else {
        return Ok(nobody);
    };
    let Some((access, account)) = app.accounts.open(&key, app.now()).await? else {
        return Ok(nobody);
    };
    Ok(Caller {
        account: account.name,
        role: Some(account.role),
        csrf: Some(key.csrf()),
        via: Via::Session(access.id),
        ..nobody
    })
}

fn too_long(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length > BODY as u64)
}

fn large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "the request is larger than 1 MiB",
    )
}

/// The session's word, in a header or, where no script runs, in the form itself.
async fn check_csrf(request: Request, wanted: &str) -> Result<Request, Problem> {
    let wrong = || {
        Problem::new(
            StatusCode::FORBIDDEN,
            "the page is of another session: load it again",
        )
    };
    if let Some(given) = request.headers().get("x-csrf-token") {
        let given = given.to_str().unwrap_or_default();
        return if same(given, wanted) {
            Ok(request)
        } else {
            Err(wrong())
        };
    }
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_form = kind.is_some_and(|kind| {
        kind.as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    });
    if !is_form {
        return Err(wrong());
    }
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, BODY).await.map_err(|_| large())?;
    let given = field(&bytes, "csrf").unwrap_or_default();
    if !same(given, wanted) {
        return Err(wrong());
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// A field of a form whose value needs no decoding.
fn field<'a>(form: &'a Bytes, name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(form).ok()?;
    let mut pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(own, _)| *own == name).map(|(_, value)| value)
}
