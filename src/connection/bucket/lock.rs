//! One writer of a file at a time.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Held while a file is revised: a lock of the operating system on `.<name>.lock` beside it, which
/// ends with the process. The name goes with the lock.
#[derive(Debug)]
pub(super) struct TargetLock {
    path: PathBuf,
    _file: File,
}

impl TargetLock {
    /// Waits until no other writer has the file. Its folder must be there.
    ///
    /// # Errors
    /// The folder can't be written, or its file system has no locks.
    pub(super) fn acquire(target: &Path) -> io::Result<Self> {
        let path = beside(target, "lock");
        loop {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)?;
            file.lock()?;
            // Who had it before has removed the name: what is locked must be what others find.
            let own = file.metadata()?;
            match std::fs::metadata(&path) {
                Ok(found) if (found.dev(), found.ino()) == (own.dev(), own.ino()) => {
                    return Ok(Self { path, _file: file });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for TargetLock {
    fn drop(&mut self) {
        // A name that stays is no harm: the next writer locks it again.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The hidden file `.<name>.<extension>` beside a file.
pub(super) fn beside(target: &Path, extension: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".");
    name.push(extension);
    target.with_file_name(name)
}
