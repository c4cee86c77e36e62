//! Who did what, and who is signed in.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::frame::{Page, Place, Trouble, Visitor};
use super::template::render;
use super::view::{self, When};
use crate::store::AccessKind;
use crate::web::App;
use crate::web::guard::{Caller, Via};
use crate::web::route::{Needs, Route};

pub(super) const AUDIT: Route = Route::get("/audit", Needs::Admin, || get(audit));
pub(super) const SESSIONS: Route = Route::get("/sessions", Needs::SignIn, || get(sessions));
pub(super) const END: Route = Route::post("/sessions", Needs::SignIn, || post(end));

/// Deeds of a page.
const PAGE: u32 = 100;

#[derive(Deserialize)]
struct Asked {
    before: Option<i64>,
}

#[derive(Serialize)]
struct Audit {
    deeds: Vec<Deed>,
    older: Option<i64>,
}

#[derive(Serialize)]
struct Deed {
    at: When,
    account: String,
    via: String,
    address: String,
    action: String,
    target: String,
    status: u16,
    refused: bool,
    detail: String,
}

async fn audit(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let now = app.now();
    let deeds = app.accounts.store.deeds(asked.before, PAGE).await?;
    let full = deeds.len() == PAGE as usize;
    let view = Audit {
        older: deeds.last().filter(|_| full).map(|deed| deed.number),
        deeds: deeds
            .into_iter()
            .map(|deed| Deed {
                at: view::when(deed.at, now),
                account: deed.account,
                via: deed.via,
                address: deed.address,
                action: deed.action,
                target: deed.target,
                refused: deed.status >= 400,
                status: deed.status,
                detail: deed.detail,
            })
            .collect(),
    };
    let page = Page {
        title: "Audit",
        place: Place::Audit,
        live: None,
        body: render("audit.html", &view),
    };
    Ok(page.show(&app, &visitor))
}

#[derive(Serialize)]
struct SessionsView<'a> {
    sessions: Vec<Session>,
    csrf: &'a str,
    all: bool,
}

#[derive(Serialize)]
struct Session {
    id: String,
    account: String,
    label: String,
    created: When,
    seen: Option<When>,
    own: bool,
}

async fn sessions(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    caller: Caller,
) -> Result<Response, Trouble> {
    let now = app.now();
    let all = caller.may(Needs::Admin);
    let account = (!all).then_some(caller.account.as_str());
    let own = |id: &str| matches!(&caller.via, Via::Session(own) if own == id);
    let found = app.accounts.store.accesses(AccessKind::Session, account);
    let sessions = found.await?.into_iter();
    let sessions = sessions.filter(|one| one.expires.is_none_or(|expires| expires > now));
    let view = SessionsView {
        sessions: sessions
            .map(|one| Session {
                own: own(&one.id),
                id: one.id,
                account: one.account,
                label: one.label,
                created: view::when(one.created, now),
                seen: one.seen.map(|seen| view::when(seen, now)),
            })
            .collect(),
        csrf: &visitor.csrf,
        all,
    };
    let page = Page {
        title: "Sessions",
        place: Place::Elsewhere,
        live: None,
        body: render("sessions.html", &view),
    };
    Ok(page.show(&app, &visitor))
}

#[derive(Deserialize)]
struct Ended {
    id: String,
}

/// Ends a session: one's own, or as an admin anybody's.
async fn end(
    State(app): State<Arc<App>>,
    caller: Caller,
    Form(ended): Form<Ended>,
) -> Result<Redirect, Trouble> {
    let missing = || Trouble::Missing("There is no such session.".to_owned());
    let found = app.accounts.store.access(&ended.id).await?;
    let (access, account) = found.ok_or_else(missing)?;
    let may = account.name == caller.account || caller.may(Needs::Admin);
    if access.kind != AccessKind::Session || !may {
        return Err(missing());
    }
    app.accounts.store.remove_access(&ended.id).await?;
    Ok(Redirect::to("/sessions"))
}
