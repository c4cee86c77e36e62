//! The connections that read.
//!
//! A pool of sqlx gives a connection back by a task that asks it whether it still lives, so that
//! whoever reads twice opens a second one, and each read waits for two answers. Nothing can happen to
//! a connection to a file, so here it is back when its answer is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Semaphore;

use super::open::Settings;

/// Connections that read at the same time.
const READERS: usize = 4;

/// Connections for reading, opened when they are needed and kept open.
pub(super) struct Readers {
    settings: Settings,
    turns: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Readers {
    /// With a first connection: who opens a store reads from it.
    pub(super) async fn open(settings: Settings) -> Result<Self, sqlx::Error> {
        let first = settings.for_reading().connect().await?;
        Ok(Self {
            settings,
            turns: Semaphore::new(READERS),
            idle: Mutex::new(vec![first]),
        })
    }

    /// The rows of an answer. A connection whose answer isn't waited for is closed, and so is one
    /// that failed.
    pub(super) async fn rows(
        &self,
        query: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let turn = tokio::time::timeout(self.settings.place.patience, self.turns.acquire());
        let turn = turn.await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let _turn = turn.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.settings.for_reading().connect().await?,
        };
        let rows = query.fetch_all(&mut connection).await?;
        self.idle().push(connection);
        Ok(rows)
    }

    /// Closes the connections; nobody reads any more.
    pub(super) async fn close(&self) {
        self.turns.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            // It is gone either way.
            drop(connection.close().await);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
