//! Files on this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use super::kernel::Folders;
use super::settle::Settling;
use super::view;
use crate::connection::{Bucket as _, Folder, StoredFile};
use crate::model::Timestamp;
use crate::trigger::{Around, Scope, Sight, Watch, WatchError};

/// What comes within so short a time is looked at together.
const CALM: Duration = Duration::from_millis(50);
/// Looking takes at most a fifth of the time, however many files there are, but never waits longer than
/// this for it.
const SHARE: u32 = 4;
const LONGEST_CALM: Duration = Duration::from_secs(2);
/// How long a folder that isn't there is waited for before it is looked for again, beside hearing
/// of it.
const MISSING: Duration = Duration::from_mins(1);

/// Looks at files of a pattern.
pub(super) struct FolderWatch {
    around: Around,
    pattern: String,
    scope: Scope,
    /// The folder that all of them are below.
    base: PathBuf,
    /// How many levels below it they can be.
    depth: usize,
    settling: Settling,
    folders: Option<Folders>,
    /// When a file will have settled.
    next: Option<Timestamp>,
    /// There was a look, and nothing has changed since that isn't told.
    rests: bool,
    /// The folder isn't there, which was told.
    missing: bool,
    /// How long the last look took.
    took: Duration,
    /// The files that were told, and whether there were others.
    told: Option<(Vec<StoredFile>, bool)>,
}

impl FolderWatch {
    pub(super) fn new(
        around: Around,
        (pattern, scope): (String, Scope),
        settling: Settling,
    ) -> Self {
        let (base, depth) = base_of(&pattern);
        Self {
            base: around.places.root.join(base),
            around,
            pattern,
            scope,
            depth,
            settling,
            folders: None,
            next: None,
            rests: false,
            missing: false,
            took: Duration::ZERO,
            told: None,
        }
    }

    /// Waits until there may be something else to see.
    async fn wait(&self, folders: &Folders) -> Result<(), WatchError> {
        let now = (self.around.clock)();
        let left = match self.next {
            Some(next) => Some((next - now).to_std().unwrap_or_default()),
            None => self.missing.then_some(MISSING),
        };
        let settled = async {
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = folders.changed() => changed.map_err(|error| self.unheard(&error))?,
            () = settled => return Ok(()),
        }
        tokio::time::sleep((self.took * SHARE).clamp(CALM, LONGEST_CALM)).await;
        Ok(())
    }

    fn unheard(&self, error: &std::io::Error) -> WatchError {
        let base = self.base.display();
        WatchError(format!("changes in `{base}` aren't heard of: {error}"))
    }

    async fn files(&mut self) -> Result<Vec<StoredFile>, WatchError> {
        let (root, pattern) = (self.around.places.root.clone(), self.pattern.clone());
        let base = self.base.clone();
        let shown = self.shown_base();
        let began = tokio::time::Instant::now();
        let listed = tokio::task::spawn_blocking(move || {
            // A folder that can't be read isn't an empty one.
            std::fs::read_dir(&base).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => format!("folder `{shown}` doesn't exist"),
                _ => format!("folder `{shown}` can't be read: {error}"),
            })?;
            let files = Folder::of_project(&root).list(&pattern);
            files.map_err(|error| error.to_string())
        })
        .await;
        self.took = began.elapsed();
        match listed {
            Ok(listed) => listed.map_err(WatchError),
            Err(error) => Err(WatchError(error.to_string())),
        }
    }

    fn shown_base(&self) -> String {
        let root = &self.around.places.root;
        let within = self.base.strip_prefix(root).unwrap_or(&self.base);
        match within.to_string_lossy() {
            within if within.is_empty() => ".".to_owned(),
            within => within.into_owned(),
        }
    }

    /// Hears of the folder, or of the nearest above it that is there.
    fn hear(&self, folders: &Folders) -> Result<(), WatchError> {
        let failed = |error: std::io::Error| self.unheard(&error);
        let there = self.base.ancestors().find(|folder| folder.is_dir());
        match there {
            Some(there) if there == self.base => folders.add(there, self.depth),
            Some(there) => folders.add(there, 0),
            None => Ok(()),
        }
        .map_err(failed)
    }
}

#[async_trait]
impl Watch for FolderWatch {
    async fn look(&mut self) -> Result<Sight, WatchError> {
        loop {
            let folders = match self.folders.take() {
                Some(folders) => folders,
                None => Folders::new().map_err(|error| self.unheard(&error))?,
            };
            if self.rests {
                self.wait(&folders).await?;
            }
            // Before the look: what comes while it is made is heard of.
            self.hear(&folders)?;
            self.folders = Some(folders);
            self.rests = true;
            let files = match self.files().await {
                Ok(files) => files,
                Err(error) => {
                    self.missing = true;
                    self.next = None;
                    self.told = None;
                    return Err(error);
                }
            };
            if std::mem::take(&mut self.missing) {
                // It was waited for in the folders above it, which don't matter any more.
                self.folders = None;
                self.rests = false;
            }
            let look = self.settling.look((self.around.clock)(), files);
            self.next = look.next;
            let told = (look.settled.clone(), look.unsettled.is_empty());
            if self.told.as_ref() != Some(&told) {
                self.told = Some(told);
                return Ok(Sight::View(view(look, &self.scope)));
            }
        }
    }
}

/// The folder that the files of a pattern are below, and how many levels.
fn base_of(pattern: &str) -> (&Path, usize) {
    let plain = &pattern[..pattern.find(['*', '?', '[']).unwrap_or(pattern.len())];
    let (base, rest) = match plain.rfind('/') {
        Some(0) => ("/", &pattern[1..]),
        Some(at) => (&pattern[..at], &pattern[at + 1..]),
        None => ("", pattern),
    };
    let depth = if rest.contains("**") {
        usize::MAX
    } else {
        rest.matches('/').count()
    };
    (Path::new(base), depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_looked_for_where_they_can_be() {
        for (pattern, base, depth) in [
            ("inbox/*.csv", "inbox", 0),
            ("inbox/a.csv", "inbox", 0),
            ("*.csv", "", 0),
            ("in/2026-*/[ab].csv", "in", 1),
            ("in/a/**/*.csv", "in/a", usize::MAX),
            ("/*.csv", "/", 0),
            ("/srv/in/*.csv", "/srv/in", 0),
        ] {
            assert_eq!(base_of(pattern), (Path::new(base), depth), "{pattern}");
        }
    }
}
