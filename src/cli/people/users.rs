//! Those who may come in, and what they may do.

use std::io::{BufRead as _, Write as _};

use anyhow::Context as _;
use serde_json::json;

use super::{account, note};
use crate::cli::arguments::Format;
use crate::cli::table::{self, Cell, Column};
use crate::cli::{Mistake, look, moment, output};
use crate::daemon::clock::now;
use crate::model::check_name;
use crate::store::{AccessKind, Account, AccountStore as _, Role, SqliteStore};
use crate::web::account::{LEAST, PasswordHash};

/// Shows who may come in.
pub async fn list(store: &SqliteStore, format: Format) -> anyhow::Result<()> {
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

/// Lets somebody in.
pub async fn add(
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

/// Changes what somebody may do.
pub async fn change_role(store: &SqliteStore, name: &str, role: Role) -> anyhow::Result<()> {
    let known = account(store, name).await?;
    is_own(&known)?;
    not_last(store, name, Some(role)).await?;
    store.put_account(&Account { role, ..known }).await?;
    note(store, "user role", &format!("{name} {}", role.as_str())).await?;
    writeln!(anstream::stdout(), "{name} is {} now", role.as_str())?;
    Ok(())
}

/// Sets a password, read from standard input.
pub async fn set_password(store: &SqliteStore, name: &str) -> anyhow::Result<()> {
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

/// Ends a session, or all of somebody.
pub async fn sign_out(store: &SqliteStore, which: &str) -> anyhow::Result<()> {
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

/// Refuses to change what the provider says of somebody: it would say it again, or never know.
pub fn is_own(account: &Account) -> anyhow::Result<()> {
    let Some(subject) = &account.subject else {
        return Ok(());
    };
    let issuer = subject.split(' ').next().unwrap_or_default();
    let mistake = format!("`{}` comes in by {issuer}", account.name);
    Err(Mistake::new(mistake)
        .help("what they may is said there; `runner user remove` ends all that lets them in now")
        .into())
}

/// Somebody must be left who may say who may do what.
pub async fn not_last(
    store: &SqliteStore,
    name: &str,
    becomes: Option<Role>,
) -> anyhow::Result<()> {
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
