//! Ending a statement on the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Row as _};

use crate::connection::Stopper;

/// Who runs a session on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) process: i32,
}

/// Whether the session's statement was asked to end by us.
#[derive(Debug, Clone, Default)]
pub(super) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
    pub(super) fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Asks over a second connection: sqlx keeps the key that a cancel request needs to itself.
pub(super) struct BackendStopper {
    pub(super) options: PgConnectOptions,
    pub(super) backend: Backend,
    pub(super) flag: StopFlag,
}

/// A server that doesn't answer will find out by itself that the client is gone.
const PATIENCE: Duration = Duration::from_secs(5);

#[async_trait]
impl Stopper for BackendStopper {
    async fn stop(&self) {
        self.flag.raise();
        match tokio::time::timeout(PATIENCE, self.cancel()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a statement can't be cancelled"),
            Err(_) => tracing::warn!("a statement can't be cancelled: the server doesn't answer"),
        }
    }
}

impl BackendStopper {
    async fn cancel(&self) -> Result<(), sqlx::Error> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        let name = self.options.get_application_name().unwrap_or_default();
        // The name guards against a process number that was given to somebody else by now.
        let asked = sqlx::query(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
             WHERE pid = $1 AND application_name = $2",
        )
        .bind(self.backend.process)
        .bind(name)
        .fetch_optional(&mut connection)
        .await?;
        if let Some(row) = asked {
            let done: bool = row.try_get(0)?;
            tracing::debug!(
                process = self.backend.process,
                done,
                "cancelled a statement"
            );
        }
        connection.close().await
    }
}
