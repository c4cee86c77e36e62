//! What is true, read past the program: in the database, and in the file of the run state.

use std::path::Path;

use futures_util::TryStreamExt as _;
use runner::embedded::postgres::{PostgresServer, acquire, ensure_database};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::project::Project;
use crate::support::eventually::Waiting;
use crate::support::postgres::runner;

/// A connection to a database of the project's own server, which is up as long as this lives.
pub(crate) struct Database {
    pub(crate) connection: PgConnection,
    _server: PostgresServer,
}

/// Connects; the server is started and the database made if need be.
pub(crate) async fn database(project: &Project, name: &str) -> Database {
    let waiting = Waiting::begin();
    loop {
        let pause = match try_database(project, name).await {
            Ok(database) => return database,
            // It may be recovering from a kill that no run had to wait for.
            Err(error) => waiting.pause(error),
        };
        pause.await;
    }
}

/// The same, if it can be done now.
async fn try_database(
    project: &Project,
    name: &str,
) -> Result<Database, Box<dyn std::error::Error>> {
    let server = acquire(&project.state(), runner()).await?;
    ensure_database(&server, name).await?;
    let connection = PgConnection::connect_with(&server.options(name)).await?;
    Ok(Database {
        connection,
        _server: server,
    })
}

/// The URL of a database of the project's own server, for others.
pub(crate) async fn url(project: &Project, name: &str) -> String {
    let server = acquire(&project.state(), runner()).await.expect("a server");
    server.url(name)
}

impl Database {
    /// What a query gives, as CSV without a header.
    pub(crate) async fn csv(&mut self, query: &str) -> String {
        csv(&mut self.connection, query).await
    }

    pub(crate) async fn execute(&mut self, statements: &str) {
        let done = sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut self.connection);
        done.await.expect(statements);
    }
}

/// What a query gives, as CSV without a header.
pub(crate) async fn csv(connection: &mut PgConnection, query: &str) -> String {
    let statement = format!("COPY ({query}) TO STDOUT (FORMAT csv)");
    let stream = connection.copy_out_raw(&statement).await.expect(query);
    let parts: Vec<_> = stream.try_collect().await.expect(query);
    String::from_utf8(parts.concat()).expect("text")
}

/// What the file of the run state says to a query of texts; nothing when there is no file yet.
pub(crate) async fn state(project: &Project, query: &str) -> Vec<Vec<String>> {
    let path = project.state().join("state.db");
    if !path.is_file() {
        return Vec::new();
    }
    sqlite(&path, query).await
}

/// What an SQLite file says to a query of texts. A table that isn't there has no rows.
pub(crate) async fn sqlite(path: &Path, query: &str) -> Vec<Vec<String>> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let rows = sqlx::query(AssertSqlSafe(query))
        .fetch_all(&mut connection)
        .await;
    let rows = match rows {
        Ok(rows) => rows,
        // Killed before its first migration.
        Err(error) if error.to_string().contains("no such table") => Vec::new(),
        Err(error) => panic!("{query}: {error}"),
    };
    connection.close().await.unwrap();
    let texts = |row: &SqliteRow| {
        (0..row.len())
            .map(|column| row.get::<String, _>(column))
            .collect()
    };
    rows.iter().map(texts).collect()
}
