//! What an attempt gets to do its work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

use super::{Log, Runs};
use crate::connection::{Connections, LedgerKey, Places};
use crate::data::{Columns, DataError, DatasetInfo, DatasetName, DatasetWriter};
use crate::model::{AttemptId, DagId, TaskId, Timestamp};
use crate::template::Scope;

/// The time, given by the daemon.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Everything an attempt may use.
#[derive(Clone)]
pub struct AttemptContext {
    pub id: AttemptId,
    pub dag: DagId,
    pub task: TaskId,
    /// The values for its templates.
    pub scope: Scope,
    pub connections: Arc<Connections>,
    pub places: Arc<Places>,
    /// The datasets of the tasks it needs; one for each item of a `foreach`.
    pub datasets: Arc<BTreeMap<TaskId, Vec<DatasetInfo>>>,
    pub log: Log,
    pub progress: Arc<Progress>,
    /// Cancelled when the attempt is to end.
    pub cancel: CancellationToken,
    pub clock: Clock,
    /// Runs of other DAGs.
    pub runs: Arc<dyn Runs>,
    /// What those whom it calls are told of the trace that it belongs to (W3C's `traceparent`).
    pub traceparent: Option<String>,
}

impl AttemptContext {
    /// The name of its load in a database's ledger.
    #[must_use]
    pub fn ledger_key(&self) -> LedgerKey {
        LedgerKey {
            run: self.id.run.to_string(),
            task: self.task.to_string(),
            item: self.id.task_run.item.map_or(-1, i64::from),
            generation: self.id.generation,
        }
    }

    /// Begins the attempt's dataset.
    ///
    /// # Errors
    /// The file can't be made; two columns have the same name.
    pub async fn dataset(&self, columns: Columns) -> Result<DatasetWriter, DataError> {
        let name = DatasetName {
            run: self.id.run.as_str(),
            task: self.task.as_str(),
            item: self.id.task_run.item,
            generation: self.id.generation,
        };
        DatasetWriter::create(&self.places.state, name, columns).await
    }

    /// The key that is the same for all attempts of one generation, for others to recognise a
    /// second try: `run/task/item/generation`.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        let key = self.ledger_key();
        match self.id.task_run.item {
            Some(item) => format!("{}/{}/{item}/{}", key.run, key.task, key.generation),
            None => format!("{}/{}/{}", key.run, key.task, key.generation),
        }
    }

    /// What a database's administrator sees: `runner daily_batch/migrate`.
    #[must_use]
    pub fn purpose(&self) -> String {
        format!("runner {}/{}", self.dag, self.task)
    }
}

/// How far an attempt is, read by whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    rows: AtomicU64,
    bytes: AtomicU64,
    total_bytes: AtomicU64,
}

impl Progress {
    /// Adds rows and bytes that were moved.
    pub fn add(&self, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says how many bytes there are to move.
    pub fn expect_bytes(&self, total: u64) {
        self.total_bytes.store(total, Ordering::Relaxed);
    }

    /// Rows and bytes moved so far, and all the bytes there are when that is known.
    #[must_use]
    pub fn get(&self) -> (u64, u64, Option<u64>) {
        let total = self.total_bytes.load(Ordering::Relaxed);
        (
            self.rows.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
            (total > 0).then_some(total),
        )
    }
}
