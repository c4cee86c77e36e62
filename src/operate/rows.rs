//! The rows that tasks have left.

use std::path::Path;

use super::mistake::{Mistake, Trouble};
use crate::data::{Batch, BatchBuilder, Columns, DatasetInfo, DatasetReader, RecordSource as _};
use crate::model::TaskIndex;
use crate::store::{DagVersion, RunRow, RunStore};

/// The datasets of a task; of all its items, or of one.
///
/// # Errors
/// When the store can't be read.
pub async fn datasets(
    store: &dyn RunStore,
    run: &RunRow,
    task: TaskIndex,
    item: Option<u32>,
) -> Result<Vec<DatasetInfo>, Trouble> {
    let results = store.results(&run.id, task).await?;
    let results = results
        .into_iter()
        .filter(|(id, _)| item.is_none() || id.item == item);
    let datasets = results.filter_map(|(_, result)| result.dataset);
    datasets
        .map(|dataset| serde_json::from_str(&dataset.0))
        .collect::<Result<_, _>>()
        .map_err(|error| Trouble::Other(format!("a dataset of run {}: {error}", run.id)))
}

/// Why there are no rows, and which tasks have some.
///
/// # Errors
/// When the store can't be read.
pub async fn none(
    store: &dyn RunStore,
    run: &RunRow,
    version: &DagVersion,
    task: &str,
    item: Option<u32>,
) -> Result<Mistake, Trouble> {
    let task = match item {
        Some(item) => format!("{task}[{item}]"),
        None => task.to_owned(),
    };
    let mistake = Mistake::missing(format!("task `{task}` has left no rows in run {}", run.id));
    let rows = store.task_runs(&run.id).await?;
    let mut with: Vec<TaskIndex> = rows
        .iter()
        .filter(|row| {
            row.result
                .as_ref()
                .is_some_and(|result| result.dataset.is_some())
        })
        .map(|row| row.id.task)
        .collect();
    with.dedup();
    let names = with.iter().filter_map(|task| version.tasks.get(task.get()));
    let names: Vec<String> = names.take(20).map(|name| format!("`{name}`")).collect();
    Ok(match names.as_slice() {
        [] => mistake.help(
            "rows are left by a query (`sql`) and other kinds that fetch; `runner types` tells",
        ),
        names => mistake.help(format!("these have: {}", names.join(", "))),
    })
}

/// The first rows of a dataset.
pub struct Rows {
    reader: DatasetReader,
    left: u64,
}

impl Rows {
    /// Opens datasets of a project whose state is in a folder, for so many rows.
    ///
    /// # Errors
    /// When a file can't be read.
    pub async fn open(state: &Path, datasets: &[DatasetInfo], limit: u64) -> Result<Self, Trouble> {
        let reader = DatasetReader::open(state, datasets).await;
        Ok(Self {
            reader: reader.map_err(unreadable)?,
            left: limit,
        })
    }

    /// The columns.
    #[must_use]
    pub fn columns(&self) -> Columns {
        self.reader.columns().clone()
    }

    /// The next rows.
    ///
    /// # Errors
    /// When a file can't be read.
    pub async fn next(&mut self) -> Result<Option<Batch>, Trouble> {
        if self.left == 0 {
            return Ok(None);
        }
        let Some(batch) = self.reader.next().await.map_err(unreadable)? else {
            return Ok(None);
        };
        let rows = batch.rows() as u64;
        if rows <= self.left {
            self.left -= rows;
            return Ok(Some(batch));
        }
        let mut first = BatchBuilder::new(batch.columns().clone());
        for row in 0..usize::try_from(self.left).unwrap_or(usize::MAX) {
            batch.row(row).for_each(|cell| first.push(cell));
        }
        self.left = 0;
        Ok(Some(first.take()))
    }
}

fn unreadable(error: impl std::fmt::Display) -> Trouble {
    Trouble::Other(error.to_string())
}
