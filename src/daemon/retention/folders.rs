//! Folders of runs: `logs/<run>` and `data/<run>`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::model::RunId;

/// What runs leave on the disk beside their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Logs,
    Data,
}

impl Left {
    pub(super) const ALL: [Self; 2] = [Self::Logs, Self::Data];

    /// The folder that has a folder for each run.
    pub(super) fn folder(self, state: &Path) -> PathBuf {
        state.join(match self {
            Self::Logs => "logs",
            Self::Data => "data",
        })
    }
}

/// Reads the names of a folder a part at a time, in no order, beside the work of others.
pub(super) struct Names {
    entries: Option<std::fs::ReadDir>,
}

impl Names {
    pub(super) fn open(folder: &Path) -> std::io::Result<Self> {
        match std::fs::read_dir(folder) {
            Ok(entries) => Ok(Self {
                entries: Some(entries),
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self { entries: None }),
            Err(error) => Err(error),
        }
    }

    /// The next names that are those of runs; empty at the end.
    pub(super) fn next(&mut self, most: usize) -> Vec<RunId> {
        let Some(entries) = &mut self.entries else {
            return Vec::new();
        };
        let runs = entries.filter_map(|entry| {
            let entry = entry.ok()?;
            let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let name = entry.file_name();
            folder.then(|| RunId::new(name.to_str()?).ok()).flatten()
        });
        runs.take(most).collect()
    }
}

/// The bytes of the files in a folder and below.
pub(super) fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Removes a folder with all that is in it; one that isn't there is removed.
pub(super) fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
