//! The row of the table, and the configured connection.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::{Schema, json_schema};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::ledger;
use super::session::SqliteSession;
use crate::connection::{
    Access, Connection, ConnectionKind, Database, DatabaseError, Dialect, Session, Surroundings,
};
use crate::document::{Diagnostic, FromNode, Node, Spanned};
use crate::secret::Secret;

pub(in crate::connection) const KIND: ConnectionKind = ConnectionKind {
    name: "sqlite",
    doc: "A SQLite database: the path of its file, which is made when it is missing.",
    example: "results: { sqlite: data/results.db }\n",
    schema,
    parse,
};

/// How long a session waits while others write.
const PATIENCE: Duration = Duration::from_secs(30);

fn schema() -> Schema {
    json_schema!({ "type": "string", "examples": ["data/results.db"] })
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Arc<dyn Connection>> {
    let path = Spanned::<String>::from_node(node, surroundings.report)?;
    if path.is_empty() || path.contains(":memory:") || path.starts_with("sqlite:") {
        surroundings.report.push(
            Diagnostic::error("invalid-path", "expected the path of a file", path.span)
                .label("such as `data/results.db`")
                .help("a database in memory would be a new one for every attempt"),
        );
        return None;
    }
    Some(Arc::new(SqliteFile {
        path: surroundings.places.root.join(&path.value),
    }))
}

/// A configured file.
#[derive(Debug)]
struct SqliteFile {
    path: PathBuf,
}

impl SqliteFile {
    async fn make_folder(&self) -> Result<(), DatabaseError> {
        let Some(folder) = self.path.parent() else {
            return Ok(());
        };
        let made = tokio::fs::create_dir_all(folder).await;
        made.map_err(|error| {
            DatabaseError::refused(format!(
                "the folder `{}` can't be made: {error}",
                folder.display()
            ))
        })
    }
}

impl Connection for SqliteFile {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn as_database(&self) -> Option<&dyn Database> {
        Some(self)
    }
}

#[async_trait]
impl Database for SqliteFile {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn session(&self, _purpose: &str) -> Result<Box<dyn Session>, DatabaseError> {
        self.make_folder().await?;
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .statement_cache_capacity(1)
            .disable_statement_logging();
        let session = SqliteSession::open(&options).await?;
        Ok(Box::new(session))
    }

    async fn forget_loads(&self, runs: &[String]) -> Result<u64, DatabaseError> {
        if !self.path.exists() {
            return Ok(0);
        }
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .busy_timeout(PATIENCE)
            .disable_statement_logging();
        let mut session = SqliteSession::open(&options).await?;
        ledger::forget(&mut session, runs).await
    }

    async fn access(&self) -> Result<Access, DatabaseError> {
        self.make_folder().await?;
        let path = self.path.to_string_lossy().into_owned();
        Ok(Access {
            url: Secret::new(path.clone()),
            client: "sqlite3",
            arguments: vec![path],
            variables: Vec::new(),
            install: "`apt-get install sqlite3` on Debian and Ubuntu".to_owned(),
            server: None,
        })
    }
}
