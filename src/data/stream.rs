//! Where records come from.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{Batch, Columns};

/// A stream of batches that all have the same columns.
#[async_trait]
pub trait RecordSource: Send {
    /// The columns of every batch.
    fn columns(&self) -> &Columns;

    /// The next batch; `None` at the end. Cancel-safe: a dropped call loses no record.
    async fn next(&mut self) -> Result<Option<Batch>, DataError>;

    /// Where a row came from, for messages: `row` counts from 0 over the whole stream.
    fn place(&self, _row: u64) -> Option<Place> {
        None
    }
}

/// Where a record stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// From 1.
    pub line: u64,
}

/// A stream that can't go on.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file can't be read or written.
    #[error("{}: {error}", path.display())]
    File {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    /// A record can't be read. The message names file, line, column and value.
    #[error("{message}")]
    Record {
        message: String,
        place: Option<Place>,
    },
    /// The other side failed.
    #[error("{message}")]
    Source { message: String, retryable: bool },
    /// The other side failed with an error of its own, for those who know its type.
    #[error("{error}")]
    Foreign {
        #[source]
        error: Box<dyn std::error::Error + Send + Sync>,
        retryable: bool,
    },
}

impl DataError {
    /// A file that can't be read or written.
    #[must_use]
    pub fn file(path: &Path, error: std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            error,
        }
    }

    /// A record that can't be read: `file:line: reason`.
    #[must_use]
    pub fn record(place: Place, reason: &str) -> Self {
        Self::Record {
            message: format!("{}:{}: {reason}", place.file.display(), place.line),
            place: Some(place),
        }
    }
}
