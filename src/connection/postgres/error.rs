//! What the server's errors mean.

use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgErrorPosition};

use crate::connection::unreachable::no_connection;
use crate::connection::{DatabaseError, ErrorPlace};

/// `query_canceled`: by a person, by us, or by `statement_timeout`.
pub(super) const CANCELLED: &str = "57014";
/// `undefined_table` and `invalid_schema_name`.
pub(super) const NO_TABLE: [&str; 2] = ["42P01", "3F000"];
/// `insufficient_privilege`.
pub(super) const NOT_ALLOWED: &str = "42501";

/// An error of a statement whose text was `sql`; `origin` leads from its byte offsets to those of
/// the text as the caller knows it. `place` is where the server is.
pub(super) fn of_statement(
    error: sqlx::Error,
    sql: &str,
    origin: impl FnOnce(usize) -> usize,
    place: &str,
) -> DatabaseError {
    let sqlx::Error::Database(error) = error else {
        return of_connection(&error, place);
    };
    let message = error.message().to_owned();
    let Some(error) = error.try_downcast_ref::<PgDatabaseError>() else {
        return DatabaseError::Connection { message };
    };
    if is_lost(error.code()) {
        return DatabaseError::Connection { message };
    }
    let (place, inner) = match error.position() {
        Some(PgErrorPosition::Original(character)) => (
            Some(ErrorPlace {
                offset: origin(byte_offset(sql, character)),
            }),
            None,
        ),
        Some(PgErrorPosition::Internal { query, .. }) => (None, Some(format!("in `{query}`"))),
        None => (None, None),
    };
    let context = match (error.r#where(), inner) {
        (Some(context), Some(inner)) => Some(format!("{context}\n{inner}")),
        (context, inner) => context.map(str::to_owned).or(inner),
    };
    DatabaseError::Statement {
        retryable: is_retryable(error.code()),
        code: Some(error.code().into()),
        detail: error.detail().map(Into::into),
        hint: error
            .hint()
            .map(Into::into)
            .or_else(|| own_hint(error.code())),
        context: context.map(Into::into),
        place,
        message,
    }
}

/// An error of a connection that was there. `place` is where the server is.
pub(super) fn of_connection(error: &sqlx::Error, place: &str) -> DatabaseError {
    let message = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => format!("the connection to {place} was lost: {error}"),
        other => format!("the connection to {place} failed: {other}"),
    };
    DatabaseError::Connection { message }
}

/// Why there is no connection to a server.
pub(super) fn of_opening(error: &sqlx::Error, place: &str) -> DatabaseError {
    let message = match error {
        sqlx::Error::Database(error) => refused(error.message(), error.code().as_deref(), place),
        sqlx::Error::Io(error) => no_connection(place, &error.to_string()),
        other => no_connection(place, &other.to_string()),
    };
    DatabaseError::Connection { message }
}

/// What a server says to whom it lets not in, with what helps.
fn refused(message: &str, code: Option<&str>, place: &str) -> String {
    let advice = match code {
        // `invalid_password`, `invalid_authorization_specification`.
        Some("28P01" | "28000") => "; mend the user or the password of the connection",
        // `invalid_catalog_name`
        Some("3D000") => "; create it, or mend the name in the connection",
        _ => "",
    };
    format!("{place} refuses the connection: {message}{advice}")
}

/// Where a server is: `host:port`, or the path of its socket.
pub(super) fn place_of(options: &PgConnectOptions) -> String {
    let port = options.get_port();
    match options.get_socket() {
        Some(folder) => format!("{}/.s.PGSQL.{port}", folder.display()),
        None if options.get_host().starts_with('/') => {
            format!("{}/.s.PGSQL.{port}", options.get_host())
        }
        None => format!("{}:{port}", options.get_host()),
    }
}

/// The code of an error that the server sent.
pub(super) fn code(error: &DatabaseError) -> Option<&str> {
    match error {
        DatabaseError::Statement { code, .. } => code.as_deref(),
        _ => None,
    }
}

/// The server's own end, or that of the connection.
fn is_lost(code: &str) -> bool {
    code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03" | "57P05" | "25P03")
}

/// Worth another attempt: serialization failures and deadlocks, a lack of resources, a lock that
/// isn't free now.
fn is_retryable(code: &str) -> bool {
    code.starts_with("53") || matches!(code, "40001" | "40P01" | "40003" | "55P03" | "55006")
}

/// A hint where the server has none and we know better.
fn own_hint(code: &str) -> Option<Box<str>> {
    let hint = match code {
        "42P18" => "say its type, such as `:name::text`",
        _ => return None,
    };
    Some(hint.into())
}

/// The server counts characters from 1.
fn byte_offset(sql: &str, character: usize) -> usize {
    sql.char_indices()
        .nth(character.saturating_sub(1))
        .map_or(sql.len(), |(offset, _)| offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_become_bytes() {
        for (sql, character, offset) in [("abc", 1, 0), ("äbc", 2, 2), ("日本x", 3, 6), ("a", 9, 1)]
        {
            assert_eq!(byte_offset(sql, character), offset, "{sql} {character}");
        }
    }

    #[test]
    fn codes_are_sorted() {
        for (code, lost, retryable) in [
            ("08006", true, false),
            ("57P01", true, false),
            ("40P01", false, true),
            ("53300", false, true),
            ("42601", false, false),
            ("57014", false, false),
        ] {
            assert_eq!(
                (is_lost(code), is_retryable(code)),
                (lost, retryable),
                "{code}"
            );
        }
    }
}
