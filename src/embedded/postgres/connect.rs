//! The client's side of a private cluster: how to reach it, and its databases.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, Connection};

use crate::embedded::client::Client;
use crate::embedded::{EmbeddedError, Lifetime};

use super::KIND;

/// The owner of all databases; the name that most scripts expect.
pub(super) const SUPERUSER: &str = "postgres";

/// Only a part of the socket's name, since the server has no network address.
pub(super) const PORT: u16 = 5432;

/// PostgreSQL cuts longer names off without a word.
const MAX_NAME: usize = 63;

static TABLE_ROW: crate::embedded::kind::Kind = KIND;

/// A running private cluster. It stays up at least as long as this value lives.
pub type PostgresServer = Client<Facts>;

/// What the supervisor tells about the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub(super) socket_dir: PathBuf,
    pub(super) port: u16,
    pub(super) user: String,
}

/// The private cluster of a project, started if it does not run yet.
///
/// `runner_dir` is the project's `.runner`; `supervisor` is the program that calls
/// [`supervisor_main`](crate::embedded::supervisor_main) when it is told to, normally
/// [`own_program`](crate::embedded::own_program).
///
/// # Errors
/// When this machine has no PostgreSQL, or it does not start; the text says what to do.
pub async fn acquire(
    runner_dir: &Path,
    supervisor: &Path,
) -> Result<PostgresServer, EmbeddedError> {
    acquire_with(runner_dir, supervisor, Lifetime::Project).await
}

/// The same with a chosen lifetime of the data.
///
/// # Errors
/// As [`acquire`].
pub async fn acquire_with(
    runner_dir: &Path,
    supervisor: &Path,
    lifetime: Lifetime,
) -> Result<PostgresServer, EmbeddedError> {
    Client::acquire(&TABLE_ROW, runner_dir, supervisor, lifetime).await
}

impl Facts {
    /// The folder of the server's socket: libpq's `host`.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// libpq's `port`, which is a part of the socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser. There is no password: only the owner of the project reaches the socket.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// How sqlx connects to a database of this server.
    pub fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket_dir)
            .port(self.port)
            .username(&self.user)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }

    /// The URL of a database of this server, for psql, other users of libpq, and sqlx.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgresql:///{}?host={}&port={}&user={}",
            percent_encoded(database).replace('/', "%2F"),
            percent_encoded(&self.socket_dir.to_string_lossy()),
            self.port,
            percent_encoded(&self.user),
        )
    }
}

/// Makes the database unless it is there. Any number of processes may do so at once.
///
/// # Errors
/// When `name` can't name a database (1 to 63 bytes, no NUL), or the server refuses.
pub async fn ensure_database(server: &PostgresServer, name: &str) -> Result<(), EmbeddedError> {
    let refused = |reason| EmbeddedError::DatabaseName {
        name: name.to_owned(),
        reason,
    };
    if name.is_empty() {
        return Err(refused("it is empty"));
    }
    if name.len() > MAX_NAME {
        return Err(refused("it has more than 63 bytes"));
    }
    if name.contains('\0') {
        return Err(refused("it has a NUL character"));
    }
    let failed = |source: sqlx::Error| EmbeddedError::Database {
        action: format!("create the database `{name}`"),
        source: Box::new(source),
    };
    let mut connection = PgConnection::connect_with(&server.options("postgres"))
        .await
        .map_err(failed)?;
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
    if !exists {
        // From `template0`, to which nobody can be connected: a session in the template would
        // make the statement fail. A name can't be bound, so it is quoted.
        let identifier = name.replace('"', "\"\"");
        let statement = format!("CREATE DATABASE \"{identifier}\" TEMPLATE template0");
        let created = sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await;
        match created {
            Err(error) if !another_was_faster(&error) => return Err(failed(error)),
            _ => {}
        }
    }
    connection.close().await.map_err(failed)
}

/// `duplicate_database`, or, in the midst of the other's transaction, `unique_violation`.
fn another_was_faster(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    matches!(code.as_deref(), Some("42P04" | "23505"))
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
    }
    encoded
}

fn hex_digit(value: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(value)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_url_is_encoded() {
        assert_eq!(
            percent_encoded("/a b/ü?c=%&d"),
            "/a%20b/%C3%BC%3Fc%3D%25%26d"
        );
    }
}
