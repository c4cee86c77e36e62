//! Lock files: who may start a server, who owns it, and whether anything of it is left.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a lock that is held by another process is tried again.
pub(super) const RETRY: Duration = Duration::from_millis(3);

/// An `flock`. It belongs to the open file, so every process that inherits the file holds it,
/// and it is free exactly when the last of them is gone, however it ended.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
    path: PathBuf,
}

impl LockFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
        })
    }

    /// A lock that the parent process took and handed on.
    pub(super) fn inherited(file: OwnedFd, path: &Path) -> Self {
        Self {
            file: File::from(file),
            path: path.to_path_buf(),
        }
    }

    /// Takes the lock when it is free, and says whether it is taken.
    pub(super) fn try_lock(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits for the lock at most `patience`, and says whether it is taken. Blocks the thread.
    pub(super) fn lock_within(&self, patience: Duration) -> io::Result<bool> {
        let started = Instant::now();
        while !self.try_lock()? {
            if started.elapsed() >= patience {
                return Ok(false);
            }
            // `flock` waits without end or not at all: only a signal would end its wait, and signals
            // belong to the whole process.
            std::thread::sleep(RETRY);
        }
        Ok(true)
    }

    /// Whether the path still names this file: a lock on a removed file protects nothing.
    pub(super) fn is_current(&self) -> bool {
        let (Ok(mine), Ok(named)) = (self.file.metadata(), std::fs::metadata(&self.path)) else {
            return false;
        };
        (mine.dev(), mine.ino()) == (named.dev(), named.ino())
    }

    /// The open file, to be inherited by a process that shall hold the lock, too.
    pub(super) fn into_file(self) -> File {
        self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_knows_when_its_file_is_gone() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("lock");
        let first = LockFile::open(&path).expect("open");
        let second = LockFile::open(&path).expect("open");
        assert!(first.try_lock().expect("lock"));
        assert!(!second.lock_within(Duration::ZERO).expect("lock"));
        drop(first.into_file());
        assert!(second.lock_within(Duration::ZERO).expect("lock"));

        assert!(second.is_current());
        std::fs::remove_file(&path).expect("remove");
        assert!(!second.is_current());
        let _third = LockFile::open(&path).expect("open");
        assert!(!second.is_current(), "another file has the name now");
    }
}
