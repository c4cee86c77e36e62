//! Which loads a file of a folder has got by `append`, so that none is appended twice.
//!
//! Beside `data.csv` stands `.data.csv.loads`, a line an event:
//!
//! ```text
//! begin <load> <inode> <bytes> <modified>    durable before the new file gets its name
//! done <load>                                it has its name
//! void <load>                                the writer was killed before that
//! ```
//!
//! A `begin` without an end is decided by whoever locks the file next: the file that has the name
//! is the one of that `begin`, or it isn't.

use std::collections::HashSet;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::lock::beside;
use crate::data::{AtomicFile, DataError, sync_folder};

/// Loads that are remembered; the oldest are forgotten when there are twice as many.
const MEMORY: usize = 1000;

/// The loads of a file that is locked.
#[derive(Debug)]
pub(super) struct Loads {
    path: PathBuf,
    /// In their order.
    done: Vec<String>,
    known: HashSet<String>,
    /// The journal, when there is one, and whether its last line has an end.
    whole: Option<bool>,
}

impl Loads {
    /// Reads the journal of a file and decides what a killed writer has left open.
    pub(super) fn settle(target: &Path) -> Result<Self, DataError> {
        let path = beside(target, "loads");
        let failed = |error| DataError::file(&path, error);
        let mut loads = Self {
            path: path.clone(),
            done: Vec::new(),
            known: HashSet::new(),
            whole: None,
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(loads),
            Err(error) => return Err(failed(error)),
        };
        loads.whole = Some(text.is_empty() || text.ends_with('\n'));
        let mut open: Option<(&str, String)> = None;
        // A line without an end was being written when its writer was killed.
        for line in text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            let mut words = line.trim_end().splitn(3, ' ');
            match (words.next(), words.next(), words.next()) {
                (Some("begin"), Some(load), Some(identity)) => {
                    open = Some((load, identity.to_owned()));
                }
                (Some("done"), Some(load), None) => {
                    loads.remember(load);
                    open = None;
                }
                (Some("void"), _, _) => open = None,
                _ => {}
            }
        }
        if let Some((load, expected)) = open {
            let found = std::fs::metadata(target).ok().map(|found| identity(&found));
            if found == Some(expected) {
                loads.done(load)?;
            } else {
                loads.write(&format!("void {load}\n"), false)?;
            }
        }
        Ok(loads)
    }

    /// Whether the file has a load.
    pub(super) fn has(&self, load: &str) -> bool {
        self.known.contains(load)
    }

    /// Says durably that this very file, with a load in it, is about to get the name.
    pub(super) fn begin(&mut self, load: &str, new: &Metadata) -> Result<(), DataError> {
        if self.done.len() >= 2 * MEMORY {
            self.forget()?;
        }
        self.write(&format!("begin {load} {}\n", identity(new)), true)
    }

    /// Says that it has the name. When that is lost, the next one to look finds out.
    pub(super) fn done(&mut self, load: &str) -> Result<(), DataError> {
        self.remember(load);
        self.write(&format!("done {load}\n"), false)
    }

    fn remember(&mut self, load: &str) {
        if self.known.insert(load.to_owned()) {
            self.done.push(load.to_owned());
        }
    }

    fn write(&mut self, line: &str, durable: bool) -> Result<(), DataError> {
        let failed = |error| DataError::file(&self.path, error);
        let new = self.whole.is_none();
        let mut text = String::new();
        if self.whole == Some(false) {
            text.push('\n');
        }
        text.push_str(line);
        let written = || -> io::Result<()> {
            let mut file: File = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)?;
            file.write_all(text.as_bytes())?;
            if durable {
                file.sync_data()?;
                if let (true, Some(folder)) = (new, self.path.parent()) {
                    sync_folder(folder)?;
                }
            }
            Ok(())
        };
        written().map_err(failed)?;
        self.whole = Some(true);
        Ok(())
    }

    fn forget(&mut self) -> Result<(), DataError> {
        self.done.drain(..self.done.len() - MEMORY);
        self.known = self.done.iter().cloned().collect();
        let text: String = self
            .done
            .iter()
            .map(|load| format!("done {load}\n"))
            .collect();
        let mut file = AtomicFile::create(&self.path)?;
        file.write_all(text.as_bytes())
            .map_err(|error| DataError::file(&self.path, error))?;
        file.finish()?;
        self.whole = Some(true);
        Ok(())
    }
}

/// What tells a file from all others that are there at the time.
fn identity(file: &Metadata) -> String {
    format!(
        "{} {} {}.{:09}",
        file.ino(),
        file.len(),
        file.mtime(),
        file.mtime_nsec()
    )
}
