//! What lets somebody in: sessions and tokens.

use std::io::Write as _;

use serde_json::json;

use super::{account, note};
use crate::cli::arguments::{Format, Lifetime, ScopeWord};
use crate::cli::table::{self, Cell, Column};
use crate::cli::{Mistake, look, moment, output};
use crate::daemon::clock::now;
use crate::store::{Access, AccessKind, AccountStore as _, Scope, SqliteStore};
use crate::web::account::Key;

/// Makes a token and prints it.
pub async fn add_token(
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

/// Shows sessions or tokens, or that there is `nothing`.
pub fn show(found: &[Access], format: Format, nothing: &str) -> anyhow::Result<()> {
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
