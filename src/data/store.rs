//! Where files are: a folder, or whatever else keeps bytes under names.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::{AtomicFile, DataError};

/// Keeps files under names. Its calls block: they are made on threads that may wait.
pub trait FileStore: Send + Sync + std::fmt::Debug {
    /// The bytes of a file, from its beginning.
    ///
    /// # Errors
    /// It isn't there ([`io::ErrorKind::NotFound`]), or can't be read.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// Begins a file that appears under its name when it is finished, in place of an earlier one.
    ///
    /// # Errors
    /// The place can't be written.
    fn create(&self, path: &Path) -> Result<Box<dyn NewFile>, DataError>;
}

/// A file that is being written. Dropped before [`finish`](Self::finish), it leaves nothing.
pub trait NewFile: Write + Send {
    /// Makes the bytes durable and gives the file its name.
    ///
    /// # Errors
    /// The place is full or fails.
    fn finish(self: Box<Self>) -> Result<(), DataError>;
}

impl NewFile for AtomicFile {
    fn finish(self: Box<Self>) -> Result<(), DataError> {
        AtomicFile::finish(*self)
    }
}

/// The computer's own files.
#[derive(Debug, Clone, Copy)]
pub struct LocalFiles;

impl FileStore for LocalFiles {
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn NewFile>, DataError> {
        Ok(Box::new(AtomicFile::create(path)?))
    }
}
