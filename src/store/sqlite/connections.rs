//! The file's connections: one that writes, some that read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::store::{CommitTimes, Notice, StoreError};

use super::error::Place;
use super::notice::Deed;
use super::open::Settings;
use super::order::{Order, Reply};
use super::readers::Readers;
use super::writer::{Request, Writer};

/// How long a lock of another process is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests that may wait for the writer; whoever has more waits itself.
const QUEUE: usize = 1024;

/// Run state in an SQLite file that several processes may have open.
pub struct SqliteStore {
    pub(super) settings: Settings,
    /// Takes what is to be written; `None` after [`RunStore::close`].
    writer: Mutex<Option<JoinHandle<()>>>,
    requests: std::sync::RwLock<Option<mpsc::Sender<Request>>>,
    pub(super) times: Arc<CommitTimes>,
    readers: Readers,
}

impl SqliteStore {
    /// Opens the file, and makes or migrates it when needed. Its folder must exist. Waits for locks
    /// of other processes for 30 s.
    ///
    /// # Errors
    /// [`StoreError::TooNew`], [`StoreError::Corrupt`] when it is no database, and
    /// [`StoreError::Unavailable`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, PATIENCE).await
    }

    /// [`SqliteStore::open`], with another time to wait for locks of other processes.
    pub async fn open_with(path: &Path, patience: Duration) -> Result<Self, StoreError> {
        let settings = Settings {
            place: Place::new(path, patience),
        };
        let connection = settings.open().await?;
        let readers = Readers::open(settings.clone());
        let failed = |error| settings.place.explain("opened", &error);
        let readers = readers.await.map_err(failed)?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let times = Arc::new(CommitTimes::default());
        let writer = Writer::new(settings.clone(), connection, times.clone());
        Ok(Self {
            settings,
            times,
            writer: Mutex::new(Some(tokio::spawn(writer.run(receiver)))),
            requests: std::sync::RwLock::new(Some(sender)),
            readers,
        })
    }

    /// Has something written, and waits until it is durable.
    pub(super) async fn write(&self, order: Order) -> Result<Reply, StoreError> {
        let gone = || StoreError::Unavailable {
            action: "written",
            message: format!("`{}` was closed", self.settings.place.path.display()),
        };
        let requests = self
            .requests
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
            .ok_or_else(gone)?;
        let (done, answer) = oneshot::channel();
        requests
            .send(Request { order, done })
            .await
            .map_err(|_| gone())?;
        drop(requests);
        answer.await.map_err(|_| gone())?
    }

    pub(super) async fn of_notice(&self, notice: &Notice, deed: Deed) -> Result<Reply, StoreError> {
        let notice = notice.clone();
        self.write(Order::OfNotice { notice, deed }).await
    }

    pub(super) async fn rows(
        &self,
        query: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let rows = self.readers.rows(query).await;
        rows.map_err(|error| self.settings.place.explain("read", &error))
    }

    pub(super) async fn row(
        &self,
        query: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<Option<SqliteRow>, StoreError> {
        Ok(self.rows(query).await?.into_iter().next())
    }

    /// Ends the connections in good order.
    pub(super) async fn end(&self) {
        let requests = self
            .requests
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        drop(requests);
        self.readers.close().await;
        if let Some(writer) = self.writer.lock().await.take() {
            drop(writer.await);
        }
    }
}
