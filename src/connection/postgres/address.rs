//! Where the server is.

use std::str::FromStr as _;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use crate::connection::{DatabaseError, Places};
use crate::embedded::EmbeddedError;
use crate::embedded::postgres::{PostgresServer, acquire, ensure_database};
use crate::secret::Secret;

/// How a connection is reached.
#[derive(Debug, Clone)]
pub(super) enum Address {
    /// A server of somebody's.
    Url(Secret<String>),
    /// The project's own server; each connection has a database of its name.
    Embedded,
}

/// Reads a URL; the error never has its text, which may hold a password.
pub(super) fn read_url(url: &str) -> Result<PgConnectOptions, String> {
    if !["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return Err(
            "expected `embedded` or a URL such as `postgres://user@host/database`".to_owned(),
        );
    }
    let options = PgConnectOptions::from_str(url).map_err(|error| match error {
        sqlx::Error::Configuration(reason) => format!("the URL can't be read: {reason}"),
        _ => "the URL can't be read".to_owned(),
    })?;
    Ok(options.disable_statement_logging())
}

/// The password of a URL as it stands there.
pub(super) fn password(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

/// A text without its `%41`.
pub(super) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let byte = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The settings of every session.
pub(super) fn session_options(
    options: PgConnectOptions,
    purpose: &str,
    statement_timeout: Option<std::time::Duration>,
) -> PgConnectOptions {
    let options = options
        .application_name(&shortened(purpose))
        // One statement, closed as soon as another is described.
        .statement_cache_capacity(1)
        .extra_float_digits(1)
        .options([
            ("TimeZone", "UTC"),
            ("DateStyle", "ISO, YMD"),
            ("IntervalStyle", "iso_8601"),
            ("bytea_output", "hex"),
            ("standard_conforming_strings", "on"),
            // An attempt that hangs must not keep its locks for ever.
            ("idle_in_transaction_session_timeout", "10min"),
        ]);
    match statement_timeout {
        Some(timeout) => options.options([(
            "statement_timeout",
            format!("{}ms", timeout.as_millis().max(1)),
        )]),
        None => options,
    }
}

/// The server cuts names at 63 bytes.
fn shortened(name: &str) -> String {
    let mut end = name.len().min(63);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

/// A server that can be connected to.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) options: PgConnectOptions,
    /// The project's own server stays up as long as this lives.
    pub(super) _server: Option<PostgresServer>,
}

/// The project's own server, started if it isn't running, with the database made if it's missing.
pub(super) async fn embedded(places: &Places, database: &str) -> Result<Reached, DatabaseError> {
    let failed = |error: EmbeddedError| DatabaseError::Statement {
        retryable: matches!(
            error,
            EmbeddedError::Locked { .. }
                | EmbeddedError::NoAnswer { .. }
                | EmbeddedError::Server { .. }
                | EmbeddedError::Database { .. }
        ),
        message: error.to_string(),
        code: None,
        detail: None,
        hint: None,
        context: None,
        place: None,
    };
    let server = acquire(&places.state, &places.executable)
        .await
        .map_err(failed)?;
    ensure_database(&server, database).await.map_err(failed)?;
    Ok(Reached {
        options: server.options(database).disable_statement_logging(),
        _server: Some(server),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_found_in_urls() {
        for (url, expected) in [
            ("postgres://u:p%40s@h/d", Some("p%40s")),
            ("postgres://u@h/d", None),
            ("postgres:///d?host=/a@b", None),
            ("postgres://u:p@x@h:5/d", Some("p@x")),
        ] {
            assert_eq!(password(url), expected, "{url}");
        }
    }

    #[test]
    fn unreadable_urls_are_not_repeated() {
        for url in ["mysql://u:secret@h/d", "postgres://u:secret@h:port/d"] {
            let message = read_url(url).unwrap_err();
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
