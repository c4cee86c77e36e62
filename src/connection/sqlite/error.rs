//! What SQLite's errors mean.

use crate::connection::{DatabaseError, Dialect, ErrorPlace};
use crate::sqltext::{AtomKind, atoms};

/// Primary codes: the lowest byte of the extended ones.
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const INTERRUPTED: u32 = 9;
const IO: u32 = 10;
const FULL: u32 = 13;
const CANNOT_OPEN: u32 = 14;

/// An error of the statement `sql`; `stopped` says whether we asked it to end.
pub(super) fn of_statement(error: &sqlx::Error, sql: &str, stopped: bool) -> DatabaseError {
    let sqlx::Error::Database(error) = error else {
        return DatabaseError::Connection {
            message: error.to_string(),
        };
    };
    let code = error.code().map(std::borrow::Cow::into_owned);
    let number: u32 = code
        .as_deref()
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    let primary = number & 0xff;
    if primary == INTERRUPTED && stopped {
        return DatabaseError::Stopped;
    }
    let message = error.message().to_owned();
    let hint = match primary {
        BUSY | LOCKED => Some("another process or task is writing to the file".into()),
        CANNOT_OPEN => Some("see whether the folder exists and may be written to".to_owned()),
        _ => None,
    };
    DatabaseError::Statement {
        place: find_place(&message, sql),
        message,
        code: code.map(Into::into),
        detail: None,
        hint: hint.map(Into::into),
        context: None,
        retryable: matches!(primary, BUSY | LOCKED | IO | FULL),
    }
}

/// SQLite tells no position through sqlx, but names what it stumbled over; when that stands in
/// the statement once, it is the place.
fn find_place(message: &str, sql: &str) -> Option<ErrorPlace> {
    let name = if let Some(rest) = message.strip_prefix("near \"") {
        rest.split_once("\": ").map(|(name, _)| name)?
    } else {
        let (what, name) = message.split_once(": ")?;
        if !what.starts_with("no such") {
            return None;
        }
        name.rsplit('.').next()?
    };
    let mut found = atoms(sql, Dialect::Sqlite).filter(|atom| {
        let text = atom.text(sql);
        match atom.kind {
            AtomKind::Space | AtomKind::Comment => false,
            AtomKind::Quoted => text.get(1..text.len() - 1) == Some(name),
            _ => text.eq_ignore_ascii_case(name),
        }
    });
    let first = found.next()?;
    found.next().is_none().then_some(ErrorPlace {
        offset: first.range.start,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_by_what_the_message_names() {
        for (message, sql, expected) in [
            (
                "near \"FRM\": syntax error",
                "select 'FRM' FRM t",
                Some("FRM t"),
            ),
            (
                "no such table: nowhere",
                "select 1 from \"nowhere\"",
                Some("\"nowhere\""),
            ),
            ("no such column: t.b", "select t.b from t", Some("b from t")),
            ("near \"a\": syntax error", "a a", None),
            ("UNIQUE constraint failed: t.a", "insert into t", None),
        ] {
            let place = find_place(message, sql).map(|place| &sql[place.offset..]);
            assert_eq!(place, expected, "{message}");
        }
    }
}
