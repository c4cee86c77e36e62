//! Who may come in, and what was done.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Limit;
use super::extract::{Body, Search};
use crate::document::units::parse_duration;
use crate::operate::moment::utc;
use crate::operate::{Mistake, unknown};
use crate::store::{Access, AccessKind, Scope};
use crate::web::account::Key;
use crate::web::describe::{Describe, of};
use crate::web::guard::{Detail, Via};
use crate::web::route::{Needs, Route, Verb};
use crate::web::{App, Caller, Problem};

/// Who asks.
pub(super) const ME: Route = Route::get("/api/v1/me", Needs::SignIn, || get(me))
    .about(Describe::new("people", "Who you are, and what you may").gives(of::<Me>));

/// Who may come in.
pub(super) const USERS: Route = Route::get("/api/v1/users", Needs::Admin, || get(users))
    .about(Describe::new("people", "Who may come in").gives(of::<UserList>));

/// Who is signed in.
pub(super) const SESSIONS: Route = Route::get("/api/v1/sessions", Needs::Admin, || get(sessions))
    .about(
        Describe::new("people", "Who is signed in")
            .query(&["user"])
            .gives(of::<AccessList>),
    );

/// Ends a session.
pub(super) const END_SESSION: Route =
    Route::new(Verb::Delete, "/api/v1/sessions/{id}", Needs::Admin, || {
        delete(end_session)
    })
    .about(Describe::new("people", "End a session").nothing());

/// The tokens of programs.
pub(super) const TOKENS: Route = Route::get("/api/v1/tokens", Needs::Admin, || get(tokens)).about(
    Describe::new("people", "The tokens of programs")
        .query(&["user"])
        .gives(of::<AccessList>),
);

/// Makes a token.
pub(super) const MAKE_TOKEN: Route =
    Route::post("/api/v1/tokens", Needs::Admin, || post(make_token)).about(
        Describe::new("people", "Make a token; it is shown this once")
            .takes(of::<NewToken>)
            .created(of::<MadeToken>),
    );

/// Ends a token.
pub(super) const END_TOKEN: Route =
    Route::new(Verb::Delete, "/api/v1/tokens/{id}", Needs::Admin, || {
        delete(end_token)
    })
    .about(Describe::new("people", "Let a token in no more").nothing());

/// What was done.
pub(super) const DEEDS: Route = Route::get("/api/v1/audit", Needs::Admin, || get(deeds)).about(
    Describe::new("people", "What was done by whom, latest first")
        .query(&["cursor/number", "limit"])
        .gives(of::<DeedList>),
);

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    pub user: String,
    /// `viewer`, `operator` or `admin`.
    pub role: Option<&'static str>,
    /// What a token is limited to.
    pub scopes: Option<Vec<&'static str>>,
}

/// All users.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserList {
    pub users: Vec<UserItem>,
}

/// Somebody who may come in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserItem {
    pub user: String,
    /// `viewer`, `operator` or `admin`.
    pub role: &'static str,
    /// Whether they have a password; otherwise only links and tokens let in.
    pub password: bool,
    /// Whether they come in by the provider, which says what they may.
    pub provider: bool,
    pub created: String,
}

/// Sessions or tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccessList {
    pub items: Vec<AccessItem>,
}

/// A session or a token.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccessItem {
    pub id: String,
    pub user: String,
    /// What a token is for; which browser a session is in.
    pub label: String,
    /// What a token is limited to.
    pub scopes: Option<Vec<&'static str>>,
    pub created: String,
    pub expires: Option<String>,
    /// When it was last used, to some minutes.
    pub seen: Option<String>,
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// What it is for.
    #[schema(min_length = 1, max_length = 200)]
    pub label: String,
    /// Whose it is: it may no more than they; without it yours.
    pub user: Option<String>,
    /// Any of `read`, `run`, `admin`.
    pub scopes: Vec<String>,
    /// How long it lets in, such as `90d`.
    #[serde(default = "ninety_days")]
    pub expires: String,
}

fn ninety_days() -> String {
    "90d".to_owned()
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeToken {
    pub id: String,
    /// It is shown this once.
    pub token: String,
}

/// A part of what was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeedList {
    pub deeds: Vec<DeedItem>,
    /// The `cursor` of the next part.
    pub next: Option<String>,
}

/// Something that was done or tried.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeedItem {
    pub at: String,
    pub user: String,
    /// `session ID`, `token ID`, `command line`.
    pub via: String,
    /// The address that it came from.
    pub address: String,
    /// Which kind of deed.
    pub action: String,
    /// About what.
    pub target: String,
    /// How it ended, as HTTP says it.
    pub status: u16,
    pub detail: String,
}

async fn me(caller: Caller) -> Json<Me> {
    Json(Me {
        user: caller.account,
        role: caller.role.map(crate::store::Role::as_str),
        scopes: caller.scopes.as_deref().map(words),
    })
}

fn words(scopes: &[Scope]) -> Vec<&'static str> {
    scopes.iter().map(|scope| scope.as_str()).collect()
}

async fn users(State(app): State<Arc<App>>) -> Result<Json<UserList>, Problem> {
    let accounts = app.accounts.store.accounts().await?;
    let users = accounts.into_iter().map(|account| UserItem {
        user: account.name,
        role: account.role.as_str(),
        password: account.password.is_some(),
        provider: account.subject.is_some(),
        created: utc(account.created),
    });
    Ok(Json(UserList {
        users: users.collect(),
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfUser {
    user: Option<String>,
}

async fn sessions(
    State(app): State<Arc<App>>,
    Search(asked): Search<OfUser>,
) -> Result<Json<AccessList>, Problem> {
    list(&app, AccessKind::Session, asked).await
}

async fn tokens(
    State(app): State<Arc<App>>,
    Search(asked): Search<OfUser>,
) -> Result<Json<AccessList>, Problem> {
    list(&app, AccessKind::Token, asked).await
}

async fn list(app: &App, kind: AccessKind, asked: OfUser) -> Result<Json<AccessList>, Problem> {
    let found = app.accounts.store.accesses(kind, asked.user.as_deref());
    let items = found.await?.into_iter().map(|access| AccessItem {
        scopes: access.scopes.as_deref().map(words),
        id: access.id,
        user: access.account,
        label: access.label,
        created: utc(access.created),
        expires: access.expires.map(utc),
        seen: access.seen.map(utc),
    });
    Ok(Json(AccessList {
        items: items.collect(),
    }))
}

async fn end_session(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    end(&app, AccessKind::Session, &id).await
}

async fn end_token(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    end(&app, AccessKind::Token, &id).await
}

async fn end(app: &App, kind: AccessKind, id: &str) -> Result<StatusCode, Problem> {
    let store = &app.accounts.store;
    let known = store.access(id).await?;
    if known.is_none_or(|(access, _)| access.kind != kind) || !store.remove_access(id).await? {
        return Err(Problem::missing(format!(
            "{} `{id}` doesn't exist",
            kind.as_str()
        )));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A value that doesn't fit.
fn unfit(detail: impl Into<String>) -> Problem {
    Mistake::new(detail).into()
}

async fn make_token(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(asked): Body<NewToken>,
) -> Result<axum::response::Response, Problem> {
    use axum::response::IntoResponse as _;
    if matches!(caller.via, Via::Open) && asked.user.is_none() {
        return Err(Problem::bad("`user` says whose token it is"));
    }
    if !(1..=200).contains(&asked.label.chars().count()) {
        return Err(Problem::bad("`label` has 1 to 200 characters"));
    }
    let name = asked.user.unwrap_or(caller.account);
    let store = &app.accounts.store;
    let Some(account) = store.account(&name).await? else {
        let accounts = store.accounts().await?;
        let known = accounts.iter().map(|account| account.name.as_str());
        return Err(unknown("user", &name, known).into());
    };
    let mut scopes = asked.scopes.iter().map(|word| {
        let known = Scope::ALL.map(Scope::as_str);
        Scope::of(word).ok_or_else(|| unknown("scope", word, known.into_iter()))
    });
    let scopes: Vec<Scope> = scopes.by_ref().collect::<Result<_, Mistake>>()?;
    if let Some(beyond) = scopes.iter().find(|scope| scope.role() > account.role) {
        return Err(unfit(format!(
            "`{name}` is {}, and may not what the scope `{}` lets",
            account.role.as_str(),
            beyond.as_str()
        )));
    }
    let now = app.now();
    let time =
        parse_duration(&asked.expires).map_err(|error| unfit(format!("`expires`: {error}")))?;
    let until = TimeDelta::from_std(time).ok();
    let until = until.and_then(|time| now.checked_add_signed(time));
    let until = until.ok_or_else(|| unfit("`expires` is too far away"))?;
    let key = Key::draw(AccessKind::Token).map_err(|error| Problem::internal(&error))?;
    let access = Access {
        scopes: Some(scopes),
        ..key.access(&name, &asked.label, now, Some(until))
    };
    store.put_access(&access).await?;
    let made = MadeToken {
        id: access.id.clone(),
        token: key.reveal(),
    };
    let mut response = (StatusCode::CREATED, Json(made)).into_response();
    let detail = Detail(format!("token {} of {name}", access.id));
    response.extensions_mut().insert(detail);
    Ok(response)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    cursor: Option<i64>,
    #[serde(default)]
    limit: Limit,
}

async fn deeds(
    State(app): State<Arc<App>>,
    Search(listed): Search<Listed>,
) -> Result<Json<DeedList>, Problem> {
    let limit = listed.limit.get();
    let most = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let mut deeds = app.accounts.store.deeds(listed.cursor, most).await?;
    let more = deeds.len() > limit;
    deeds.truncate(limit);
    let next = deeds.last().filter(|_| more);
    Ok(Json(DeedList {
        next: next.map(|deed| deed.number.to_string()),
        deeds: deeds
            .into_iter()
            .map(|deed| DeedItem {
                at: utc(deed.at),
                user: deed.account,
                via: deed.via,
                address: deed.address,
                action: deed.action,
                target: deed.target,
                status: deed.status,
                detail: deed.detail,
            })
            .collect(),
    }))
}
