//! Files that are there as a whole or not at all.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::DataError;
use crate::failpoint::{self, Point};

/// How many writers may be busy with the same target at once.
const MOST_WRITERS: u32 = 64;

/// A file that appears under its name when it is finished: until then its bytes are in
/// `.<name>.partial` in the same folder. Dropped before [`finish`](Self::finish), it leaves nothing.
///
/// The partial file is locked while it is written. One that a killed process left behind isn't
/// locked any more: the next writer of the same target takes it over.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    partial: PathBuf,
    target: PathBuf,
    finished: bool,
}

impl AtomicFile {
    /// Begins a file; folders that are missing are made.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn create(target: &Path) -> Result<Self, DataError> {
        let failed = |error| DataError::file(target, error);
        if target.is_dir() || target.file_name().is_none() {
            return Err(failed(io::Error::new(
                io::ErrorKind::IsADirectory,
                "the name of a file is expected, this is a folder",
            )));
        }
        let folder = folder_of(target);
        std::fs::create_dir_all(folder).map_err(|error| DataError::file(folder, error))?;
        for number in 0..MOST_WRITERS {
            let partial = partial_name(target, number);
            if let Some(file) = open_locked(&partial).map_err(failed)? {
                file.set_len(0).map_err(failed)?;
                return Ok(Self {
                    file,
                    partial,
                    target: target.to_owned(),
                    finished: false,
                });
            }
        }
        Err(failed(io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!("{MOST_WRITERS} others are writing it"),
        )))
    }

    /// What the operating system knows of the file, which keeps it when it gets its name.
    ///
    /// # Errors
    /// The disk fails.
    pub fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.file.metadata()
    }

    /// Makes the bytes durable and gives the file its name, in place of an earlier file.
    ///
    /// # Errors
    /// The disk is full or fails. Nothing is left then.
    pub fn finish(mut self) -> Result<(), DataError> {
        let finish = || {
            self.file.sync_all()?;
            failpoint::pass(Point::BeforeRename);
            std::fs::rename(&self.partial, &self.target)?;
            failpoint::pass(Point::AfterRename);
            sync_folder(folder_of(&self.target))
        };
        finish().map_err(|error| DataError::file(&self.target, error))?;
        self.finished = true;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.finished {
            // Nobody can be told; the next writer of the target takes the file over.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

/// Makes new and removed names in a folder durable.
///
/// # Errors
/// The folder can't be opened or synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn partial_name(target: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    if number > 0 {
        name.push(format!(".{number}"));
    }
    name.push(".partial");
    target.with_file_name(name)
}

/// Opens and locks a partial file; `None` when another writer has it.
fn open_locked(partial: &Path) -> io::Result<Option<File>> {
    loop {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(partial)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Between opening and locking another writer may have given this very file its final
        // name: it must not be touched then.
        let own = file.metadata()?;
        match std::fs::metadata(partial) {
            Ok(found) if (found.dev(), found.ino()) == (own.dev(), own.ino()) => {
                return Ok(Some(file));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_when_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("deep/er/x.csv");
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"new").unwrap();
        assert!(!target.exists());
        file.finish().unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(names(target.parent().unwrap()), ["x.csv"]);
    }

    #[test]
    fn a_dropped_file_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        std::fs::write(&target, "old").unwrap();
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(names(folder.path()), ["x"]);
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
    }

    #[test]
    fn what_a_killed_writer_left_is_taken_over_and_a_living_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        std::fs::write(folder.path().join(".x.partial"), "from a killed process").unwrap();
        let mut first = AtomicFile::create(&target).unwrap();
        let mut second = AtomicFile::create(&target).unwrap();
        assert_eq!(names(folder.path()), [".x.1.partial", ".x.partial"]);
        first.write_all(b"1").unwrap();
        second.write_all(b"2").unwrap();
        first.finish().unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"1");
        second.finish().unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"2");
        assert_eq!(names(folder.path()), ["x"]);
    }

    #[test]
    fn a_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = AtomicFile::create(folder.path()).unwrap_err();
        assert!(error.to_string().contains("folder"), "{error}");
    }
}
