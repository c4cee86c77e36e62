//! `runner user` and `runner token`: who may come in by pages and API.

mod accesses;
mod users;

use std::io::Write as _;

use self::accesses::{add_token, show};
use self::users::{add, change_role, is_own, list, not_last, set_password, sign_out};
use super::arguments::{RoleWord, ScopeWord, Token, TokenCommand, User, UserCommand};
use super::context::{Context, runtime, unknown};
use super::exit;
use crate::daemon::clock::now;
use crate::store::{
    AccessKind, Account, AccountStore as _, Deed, Role, RunStore as _, Scope, SqliteStore,
};
use crate::web::account::open_link;

pub fn user(context: &Context, command: &User) -> anyhow::Result<u8> {
    with_store(context, async |store| match &command.command {
        UserCommand::List { format } => list(store, *format).await,
        UserCommand::Add {
            name,
            role,
            password_stdin,
        } => add(store, name, (*role).into(), *password_stdin).await,
        UserCommand::Role { name, role } => change_role(store, name, (*role).into()).await,
        UserCommand::Password { name } => set_password(store, name).await,
        UserCommand::Link { name, url } => {
            let known = account(store, name).await?;
            is_own(&known)?;
            let path = open_link(store, name, now()).await?;
            note(store, "user link", name).await?;
            writeln!(anstream::stdout(), "{}{path}", url.trim_end_matches('/'))?;
            Ok(())
        }
        UserCommand::Sessions { name, format } => {
            if let Some(name) = name {
                account(store, name).await?;
            }
            let found = store.accesses(AccessKind::Session, name.as_deref()).await?;
            show(&found, *format, "nobody is signed in")
        }
        UserCommand::SignOut { which } => sign_out(store, which).await,
        UserCommand::Remove { name } => {
            account(store, name).await?;
            not_last(store, name, None).await?;
            store.remove_account(name).await?;
            note(store, "user remove", name).await?;
            writeln!(anstream::stdout(), "{name} may come in no more")?;
            Ok(())
        }
    })
}

pub fn token(context: &Context, command: &Token) -> anyhow::Result<u8> {
    with_store(context, async |store| match &command.command {
        TokenCommand::List { format } => {
            let found = store.accesses(AccessKind::Token, None).await?;
            show(&found, *format, "there is no token")
        }
        TokenCommand::Add {
            label,
            user,
            scope,
            expires,
        } => add_token(store, label, user, scope, *expires).await,
        TokenCommand::Remove { id } => {
            let known = store.accesses(AccessKind::Token, None).await?;
            if !known.iter().any(|token| token.id == *id) {
                let known = known.iter().map(|token| token.id.as_str());
                return Err(unknown("token", id, known).into());
            }
            store.remove_access(id).await?;
            note(store, "token remove", id).await?;
            writeln!(anstream::stdout(), "token {id} opens nothing more")?;
            Ok(())
        }
    })
}

fn with_store(
    context: &Context,
    work: impl AsyncFnOnce(&SqliteStore) -> anyhow::Result<()>,
) -> anyhow::Result<u8> {
    context.require_project()?;
    runtime()?.block_on(async {
        let store = context.sqlite().await?;
        let done = work(&store).await;
        store.close().await;
        done.map(|()| exit::OK)
    })
}

async fn account(store: &SqliteStore, name: &str) -> anyhow::Result<Account> {
    if let Some(account) = store.account(name).await? {
        return Ok(account);
    }
    let known = store.accounts().await?;
    let known = known.iter().map(|account| account.name.as_str());
    Err(unknown("user", name, known).into())
}

/// Keeps what was done.
async fn note(store: &SqliteStore, action: &str, target: &str) -> anyhow::Result<()> {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid());
    let user = user.ok().flatten().map(|user| user.name);
    let deed = Deed {
        number: 0,
        at: now(),
        account: user.unwrap_or_default(),
        via: "command line".to_owned(),
        address: String::new(),
        action: action.to_owned(),
        target: target.to_owned(),
        status: 200,
        detail: String::new(),
    };
    Ok(store.add_deed(&deed).await?)
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Viewer => Self::Viewer,
            RoleWord::Operator => Self::Operator,
            RoleWord::Admin => Self::Admin,
        }
    }
}

impl From<ScopeWord> for Scope {
    fn from(word: ScopeWord) -> Self {
        match word {
            ScopeWord::Read => Self::Read,
            ScopeWord::Run => Self::Run,
            ScopeWord::Admin => Self::Admin,
        }
    }
}
