//! The records that a task leaves with its run, as NDJSON files beside the state store.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Column;

/// A finished dataset: where it is and what it holds. The store keeps it as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetInfo {
    /// The file, relative to the project's state folder (`.runner/`).
    pub path: PathBuf,
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    pub columns: Vec<Column>,
}
