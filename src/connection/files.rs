//! What every store of files can do, wherever it is.

use chrono::{DateTime, Utc};

use crate::data::{DataError, FileStore, Revised, Revision};

/// Files under paths such as `raw/2026/a.csv`, with `/` between the parts. All calls block: they
/// are made on threads that may wait, with the runtime's handle in reach.
pub trait Bucket: FileStore {
    /// A file as people name it: `bucket/raw/a.csv`, `s3://bucket/raw/a.csv`.
    fn shown(&self, path: &str) -> String;

    /// The files of a path or a pattern (`raw/*.csv.gz`, `**`, `?`, `[ab]`), sorted by path. Names
    /// that begin with a dot match only a pattern that begins with one. A plain path gives the file
    /// when it is there.
    ///
    /// # Errors
    /// The pattern is wrong; the store can't be reached.
    fn list(&self, pattern: &str) -> Result<Vec<StoredFile>, DataError>;

    /// A file, when it is there.
    ///
    /// # Errors
    /// The store can't be reached, or the path leads out of it.
    fn head(&self, path: &str) -> Result<Option<StoredFile>, DataError>;

    /// Puts new bytes in the place of a file's old ones, at once: a reader sees the old file or the
    /// new one. Writers of one file, here and elsewhere, wait for each other or begin again.
    ///
    /// An append with the name of a load happens once: `None` when the file has that load already.
    ///
    /// # Errors
    /// The old file doesn't fit; the store can't be reached.
    fn revise(
        &self,
        path: &str,
        load: Option<&str>,
        revision: &Revision,
    ) -> Result<Option<Revised>, DataError>;

    /// Copies a file within the store and gives its bytes.
    ///
    /// # Errors
    /// It isn't there; the store can't be reached.
    fn copy(&self, from: &str, to: &str) -> Result<u64, DataError>;

    /// Removes a file; false when it wasn't there.
    ///
    /// # Errors
    /// The store can't be reached.
    fn delete(&self, path: &str) -> Result<bool, DataError>;

    /// How many files it takes at a time.
    fn width(&self) -> usize;
}

/// A file of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Within the store.
    pub path: String,
    pub bytes: u64,
    pub modified: DateTime<Utc>,
}
