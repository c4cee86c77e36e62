//! Opening the file: settings and migrations.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use crate::store::StoreError;

use super::error::{Place, is_busy};
use super::row::get;

/// The schema's versions: the text at place `n` leads from version `n` to `n + 1`. Released texts
/// never change; see `docs/store.md`.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
    include_str!("migrations/0009.sql"),
    include_str!("migrations/0010.sql"),
];

/// Time between two attempts to take the lock that changing the journal mode needs: SQLite doesn't
/// wait for this one by itself.
const RETRY_EVERY: Duration = Duration::from_millis(5);

/// Where the file is and how it is opened.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) place: Place,
}

impl Settings {
    fn options(&self) -> SqliteConnectOptions {
        let path: Arc<PathBuf> = Arc::clone(&self.place.path);
        SqliteConnectOptions::new()
            .filename(path.as_path())
            .busy_timeout(self.place.patience)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .disable_statement_logging()
    }

    /// For connections that only read; they may be opened when the file has its schema.
    pub(super) fn for_reading(&self) -> SqliteConnectOptions {
        self.options()
            .read_only(true)
            .pragma("cache_size", "-4000")
            .row_buffer_size(1000)
    }

    /// Opens the connection that writes, without a look at what is in the file.
    pub(super) async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.options()
            .create_if_missing(true)
            .pragma("cache_size", "-16000")
            .connect()
            .await
    }

    /// Opens the connection that writes, with the schema that this program knows.
    pub(super) async fn open(&self) -> Result<SqliteConnection, StoreError> {
        let failed = |error: sqlx::Error| self.place.explain("opened", &error);
        let mut connection = self.connect().await.map_err(failed)?;
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        let found = version(&mut connection).await.map_err(failed)?;
        if found > known {
            return Err(self.too_new(found, known));
        }
        if found < known {
            self.set_journal(&mut connection).await.map_err(failed)?;
            let now = migrate(&mut connection).await.map_err(failed)?;
            if now > known {
                return Err(self.too_new(now, known));
            }
        }
        Ok(connection)
    }

    fn too_new(&self, found: i64, known: i64) -> StoreError {
        StoreError::TooNew {
            path: self.place.path.display().to_string(),
            found,
            known,
        }
    }

    /// The write-ahead log is a property of the file, so it is set once.
    async fn set_journal(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let mut waited = Duration::ZERO;
        loop {
            match connection.execute("PRAGMA journal_mode = WAL").await {
                Err(error) if is_busy(&error) && waited < self.place.patience => {
                    tokio::time::sleep(RETRY_EVERY).await;
                    waited += RETRY_EVERY;
                }
                result => return result.map(|_| ()),
            }
        }
    }
}

async fn version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let row = connection.fetch_one("PRAGMA user_version").await?;
    get(&row, 0).map_err(|error| sqlx::Error::Protocol(error.to_string()))
}

/// Brings the schema forward, all steps with one commit, and gives the version that is there then.
/// Another process may be doing the same.
async fn migrate(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let found = version(&mut transaction).await?;
    let missing = usize::try_from(found)
        .ok()
        .and_then(|at| MIGRATIONS.get(at..));
    let Some(missing @ [_, ..]) = missing else {
        transaction.rollback().await?;
        return Ok(found);
    };
    for text in missing {
        transaction.execute(*text).await?;
    }
    let raise = format!("PRAGMA user_version = {}", MIGRATIONS.len());
    transaction.execute(AssertSqlSafe(raise)).await?;
    transaction.commit().await?;
    version(connection).await
}
