//! Where the server is.

use std::str::FromStr as _;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use crate::connection::{Access, DatabaseError, Places};
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
pub(super) async fn server(
    places: &Places,
    database: &str,
) -> Result<PostgresServer, DatabaseError> {
    let failed = |error: EmbeddedError| {
        let message = error.to_string();
        match error {
            // It is starting, stopping or recovering.
            EmbeddedError::Locked { .. }
            | EmbeddedError::NoAnswer { .. }
            | EmbeddedError::Database { .. } => DatabaseError::Connection { message },
            // It may have more luck the next time, but nothing is gained by waiting.
            error => DatabaseError::Statement {
                retryable: error.is_transient(),
                message,
                code: None,
                detail: None,
                hint: None,
                context: None,
                place: None,
            },
        }
    };
    let server = acquire(&places.state, &places.executable)
        .await
        .map_err(failed)?;
    ensure_database(&server, database).await.map_err(failed)?;
    Ok(server)
}

/// How sessions reach a database of that server.
pub(super) async fn embedded(places: &Places, database: &str) -> Result<Reached, DatabaseError> {
    let server = server(places, database).await?;
    Ok(Reached {
        options: server.options(database).disable_statement_logging(),
        _server: Some(server),
    })
}

/// How psql and others reach a database. A password goes to psql where no other user sees it.
pub(super) fn access(url: &str, server: Option<PostgresServer>) -> Access {
    let (shown, password) = match password(url) {
        Some(password) => (
            url.replacen(&format!(":{password}@"), "@", 1),
            Some(percent_decoded(password)),
        ),
        None => (url.to_owned(), None),
    };
    Access {
        url: Secret::new(url.to_owned()),
        client: "psql",
        arguments: vec![shown],
        variables: password
            .map(|password| ("PGPASSWORD", Secret::new(password)))
            .into_iter()
            .collect(),
        install: "`apt-get install postgresql-client` on Debian and Ubuntu".to_owned(),
        server: server.map(|server| Box::new(server) as _),
    }
}

/// A text without its `%41`.
pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
    fn psql_gets_the_password_where_nobody_else_sees_it() {
        let access = access("postgres://u:p%40s@h:5/d", None);
        assert_eq!(access.arguments, ["postgres://u@h:5/d"]);
        assert_eq!(access.variables[0].1.reveal(), "p@s");
        assert_eq!(access.url.reveal(), "postgres://u:p%40s@h:5/d");
    }

    #[test]
    fn unreadable_urls_are_not_repeated() {
        for url in ["mysql://u:secret@h/d", "postgres://u:secret@h:port/d"] {
            let message = read_url(url).unwrap_err();
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
