//! `runner user` and `runner token`: who may come in by pages and API.

use std::io::{BufRead as _, Write as _};

use anyhow::Context as _;
use serde_json::json;

use super::arguments::{
    Format, Lifetime, RoleWord, ScopeWord, Token, TokenCommand, User, UserCommand,
};
use super::context::{Context, runtime, unknown};
use super::table::{self, Cell, Column};
use super::{Mistake, exit, look, moment, output};
use crate::daemon::clock::now;
use crate::model::check_name;
use crate::store::{
    Access, AccessKind, Account, AccountStore, Deed, Role, RunStore as _, Scope, SqliteStore,
};
use crate::web::account::{Key, LEAST, PasswordHash, open_link};

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

/// Refuses to change what the provider says of somebody: it would say it again, or never know.
fn is_own(account: &Account) -> anyhow::Result<()> {
    let Some(subject) = &account.subject else {
        return Ok(());
    };
    let issuer = subject.split(' ').next().unwrap_or_default();
    let mistake = format!("`{}` comes in by {issuer}", account.name);
    Err(Mistake::new(mistake)
        .help("what they may is said there; `runner user remove` ends all that lets them in now")
        .into())
}

async fn list(store: &SqliteStore, format: Format) -> anyhow::Result<()> {
    let accounts = store.accounts().await?;
    let mut out = output::stdout();
    if format == Format::Json {
        let accounts = accounts.iter().map(|account| {
            json!({
                "name": account.name,
                "role": account.role.as_str(),
                "password": account.password.is_some(),
                "provider": account.subject.is_some(),
                "created": moment::utc(account.created),
            })
        });
        writeln!(out, "{:#}", serde_json::Value::Array(accounts.collect()))?;
    } else if accounts.is_empty() {
        let faint = look::FAINT;
        writeln!(
            out,
            "{faint}nobody yet: the first start of `runner web` makes `admin`{faint:#}"
        )?;
    } else {
        let now = now();
        let columns = [
            Column::left("user"),
            Column::left("role"),
            Column::left("signs in by"),
            Column::left("since"),
        ];
        let rows: Vec<Vec<Cell>> = accounts
            .iter()
            .map(|account| {
                let by = match (&account.subject, &account.password) {
                    (Some(_), _) => "provider",
                    (None, Some(_)) => "password",
                    (None, None) => "link",
                };
                vec![
                    Cell::styled(account.name.as_str(), look::BOLD),
                    Cell::plain(account.role.as_str()),
                    Cell::plain(by),
                    Cell::plain(moment::short(account.created, now)),
                ]
            })
            .collect();
        table::print(&mut out, &columns, &rows, output::columns())?;
    }
    out.flush()?;
    Ok(())
}

async fn add(
    store: &SqliteStore,
    name: &str,
    role: Role,
    password_stdin: bool,
) -> anyhow::Result<()> {
    check_name(name).map_err(|error| Mistake::new(format!("user `{name}`: {error}")))?;
    if store.account(name).await?.is_some() {
        return Err(Mistake::new(format!("user `{name}` is there already"))
            .help(
                "`runner user role` changes what they may do, `runner user password` the password",
            )
            .into());
    }
    let password = if password_stdin {
        Some(read_password()?.0)
    } else {
        None
    };
    let by_link = password.is_none();
    let account = Account {
        name: name.to_owned(),
        role,
        password,
        created: now(),
        subject: None,
    };
    store.put_account(&account).await?;
    note(store, "user add", &format!("{name} as {}", role.as_str())).await?;
    let mut out = anstream::stdout();
    writeln!(out, "{name} may come in as {}", role.as_str())?;
    if by_link {
        let faint = look::FAINT;
        writeln!(
            out,
            "{faint}a link that lets them in once: runner user link {name}{faint:#}"
        )?;
    }
    Ok(())
}

async fn change_role(store: &SqliteStore, name: &str, role: Role) -> anyhow::Result<()> {
    let known = account(store, name).await?;
    is_own(&known)?;
    not_last(store, name, Some(role)).await?;
    store.put_account(&Account { role, ..known }).await?;
    note(store, "user role", &format!("{name} {}", role.as_str())).await?;
    writeln!(anstream::stdout(), "{name} is {} now", role.as_str())?;
    Ok(())
}

async fn set_password(store: &SqliteStore, name: &str) -> anyhow::Result<()> {
    let known = account(store, name).await?;
    is_own(&known)?;
    let password = Some(read_password()?.0);
    store.put_account(&Account { password, ..known }).await?;
    // Whoever has lost the old one may have lost a link, too.
    for kind in [AccessKind::Session, AccessKind::Link] {
        store.remove_accesses(name, kind).await?;
    }
    note(store, "user password", name).await?;
    writeln!(
        anstream::stdout(),
        "{name} has a new password; who was signed in by the old one isn't any more"
    )?;
    Ok(())
}

async fn sign_out(store: &SqliteStore, which: &str) -> anyhow::Result<()> {
    let sessions = store.accesses(AccessKind::Session, None).await?;
    let mut out = anstream::stdout();
    if sessions.iter().any(|session| session.id == which) {
        store.remove_access(which).await?;
        writeln!(out, "session {which} has ended")?;
    } else {
        account(store, which).await?;
        store.remove_accesses(which, AccessKind::Session).await?;
        writeln!(out, "all sessions of {which} have ended")?;
    }
    note(store, "user sign-out", which).await
}

/// Somebody must be left who may say who may do what.
async fn not_last(store: &SqliteStore, name: &str, becomes: Option<Role>) -> anyhow::Result<()> {
    let accounts = store.accounts().await?;
    let mut admins = accounts
        .iter()
        .filter(|account| account.role == Role::Admin);
    let stays = becomes == Some(Role::Admin) || admins.clone().all(|admin| admin.name != name);
    if stays || admins.any(|admin| admin.name != name) {
        return Ok(());
    }
    Err(Mistake::new(format!("`{name}` is the only admin"))
        .help("make somebody else one first: `runner user add NAME --role admin`")
        .into())
}

async fn add_token(
    store: &SqliteStore,
    label: &str,
    user: &str,
    scope: &[ScopeWord],
    expires: Lifetime,
) -> anyhow::Result<()> {
    let owner = account(store, user).await?;
    let mut scopes: Vec<Scope> = scope.iter().map(|word| Scope::from(*word)).collect();
    scopes.sort_unstable();
    scopes.dedup();
    if let Some(beyond) = scopes.iter().find(|scope| scope.role() > owner.role) {
        let mistake = format!(
            "`{user}` is {}, and may not what the scope `{}` lets",
            owner.role.as_str(),
            beyond.as_str()
        );
        return Err(Mistake::new(mistake).into());
    }
    let now = now();
    let until = match expires.0 {
        Some(time) => Some(
            chrono::TimeDelta::from_std(time)
                .ok()
                .and_then(|time| now.checked_add_signed(time))
                .ok_or_else(|| Mistake::new("`--expires` is too far away").help("say `never`"))?,
        ),
        None => None,
    };
    let key = Key::draw(AccessKind::Token)?;
    let access = Access {
        scopes: Some(scopes),
        ..key.access(user, label, now, until)
    };
    store.put_access(&access).await?;
    note(store, "token add", &access.id).await?;
    writeln!(anstream::stdout(), "{}", key.reveal())?;
    Ok(())
}

fn show(found: &[Access], format: Format, nothing: &str) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let words = |access: &Access| {
        let scopes = access.scopes.iter().flatten();
        scopes.map(|scope| scope.as_str()).collect::<Vec<_>>()
    };
    if format == Format::Json {
        let rows = found.iter().map(|access| {
            json!({
                "id": access.id,
                "user": access.account,
                "label": access.label,
                "scopes": words(access),
                "created": moment::utc(access.created),
                "expires": access.expires.map(moment::utc),
                "seen": access.seen.map(moment::utc),
            })
        });
        writeln!(out, "{:#}", serde_json::Value::Array(rows.collect()))?;
    } else if found.is_empty() {
        let faint = look::FAINT;
        writeln!(out, "{faint}{nothing}{faint:#}")?;
    } else {
        let now = now();
        let columns = [
            Column::left("id"),
            Column::left("user"),
            Column::left("label").shrinking(),
            Column::left("may"),
            Column::left("last seen"),
            Column::left("expires"),
        ];
        let rows: Vec<Vec<Cell>> = found
            .iter()
            .map(|access| {
                let ahead = |at| {
                    if at < now {
                        Cell::styled("expired", look::WARN)
                    } else {
                        Cell::plain(moment::ahead(at, now))
                    }
                };
                vec![
                    Cell::styled(access.id.as_str(), look::BOLD),
                    Cell::plain(access.account.as_str()),
                    Cell::plain(access.label.as_str()),
                    Cell::plain(words(access).join(" ")),
                    Cell::plain(
                        access
                            .seen
                            .map_or_else(|| "never".to_owned(), |seen| moment::short(seen, now)),
                    ),
                    access.expires.map_or_else(|| Cell::plain("never"), ahead),
                ]
            })
            .collect();
        table::print(&mut out, &columns, &rows, output::columns())?;
    }
    out.flush()?;
    Ok(())
}

fn read_password() -> anyhow::Result<PasswordHash> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("standard input can't be read")?;
    let password = line.trim_end_matches(['\n', '\r']);
    if password.chars().count() < LEAST {
        return Err(
            Mistake::new(format!("a password has at least {LEAST} characters"))
                .help("four words are easily remembered")
                .into(),
        );
    }
    Ok(PasswordHash::of(password)?)
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
