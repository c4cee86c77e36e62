//! A folder of this computer, or one that is mounted here.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use super::loads::Loads;
use super::lock::TargetLock;
use crate::connection::{Bucket, StoredFile};
use crate::data::{
    AtomicFile, DataError, FileMode, FileStore, NewFile, Revised, Revision, find_files, is_pattern,
};
use crate::failpoint::{self, Point};

/// A folder as a store of files.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
    /// What stands before a path when people see it.
    shown: String,
    /// Whether paths may lead out of it.
    open: bool,
}

impl Folder {
    /// A folder that no path leads out of. `shown` is its name for people.
    #[must_use]
    pub fn new(root: PathBuf, shown: &str) -> Self {
        let mut shown = shown.trim_end_matches('/').to_owned();
        if !shown.is_empty() {
            shown.push('/');
        }
        Self {
            root,
            shown,
            open: false,
        }
    }

    /// The files of a project: paths are relative to its folder, and may lead anywhere.
    #[must_use]
    pub fn of_project(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            shown: String::new(),
            open: true,
        }
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let inside = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !self.open && (!inside || path.as_os_str().is_empty()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path leads out of the bucket: expected one such as `raw/a.csv`",
            ));
        }
        Ok(self.root.join(path))
    }

    fn failed(&self, path: &str) -> impl Fn(io::Error) -> DataError {
        let shown = PathBuf::from(self.shown(path));
        move |error| DataError::file(&shown, error)
    }
}

impl FileStore for Folder {
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(self.resolve(path)?)?))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn NewFile>, DataError> {
        let target = self.resolve(path);
        let target = target.map_err(self.failed(&path.to_string_lossy()))?;
        Ok(Box::new(AtomicFile::create(&target)?))
    }
}

impl Bucket for Folder {
    fn shown(&self, path: &str) -> String {
        format!("{}{path}", self.shown)
    }

    fn list(&self, pattern: &str) -> Result<Vec<StoredFile>, DataError> {
        self.resolve(Path::new(pattern))
            .map_err(self.failed(pattern))?;
        if !is_pattern(pattern) {
            return Ok(self.head(pattern)?.into_iter().collect());
        }
        let found = find_files(&self.root, pattern).map_err(|message| DataError::Source {
            message: format!("`{pattern}` is no pattern of files: {message}"),
            retryable: false,
        })?;
        let mut files = Vec::with_capacity(found.len());
        for file in found {
            // One that is gone since isn't listed.
            files.extend(self.head(&file.shown.to_string_lossy())?);
        }
        Ok(files)
    }

    fn head(&self, path: &str) -> Result<Option<StoredFile>, DataError> {
        let failed = self.failed(path);
        let target = self.resolve(Path::new(path)).map_err(&failed)?;
        match std::fs::metadata(target) {
            Ok(found) if found.is_file() => Ok(Some(StoredFile {
                path: path.to_owned(),
                bytes: found.len(),
                modified: found.modified().map_err(failed)?.into(),
            })),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn revise(
        &self,
        path: &str,
        load: Option<&str>,
        revision: &Revision,
    ) -> Result<Option<Revised>, DataError> {
        let failed = self.failed(path);
        let target = self.resolve(Path::new(path)).map_err(&failed)?;
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).map_err(&failed)?;
        }
        let lock = TargetLock::acquire(&target).map_err(&failed)?;
        let mut loads = Loads::settle(&target)?;
        let load = load.filter(|_| revision.layout.mode == FileMode::Append);
        if load.is_some_and(|load| loads.has(load)) {
            return Ok(None);
        }
        let old = match File::open(&target) {
            Ok(old) if revision.needs_old() => Some(old),
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let mut new = AtomicFile::create(&target)?;
        let revised = revision.apply(old.as_ref(), Path::new(&self.shown(path)), &mut new)?;
        if let Some(load) = load {
            loads.begin(load, &new.metadata().map_err(&failed)?)?;
            failpoint::pass(Point::BeforeRename);
        }
        new.finish()?;
        if let Some(load) = load {
            failpoint::pass(Point::AfterRename);
            loads.done(load)?;
        }
        drop(lock);
        Ok(Some(revised))
    }

    fn copy(&self, from: &str, to: &str) -> Result<u64, DataError> {
        let failed = self.failed(from);
        let mut source = self.open(Path::new(from)).map_err(&failed)?;
        let mut target = self.create(Path::new(to))?;
        let bytes = io::copy(&mut source, &mut target).map_err(failed)?;
        target.finish()?;
        Ok(bytes)
    }

    fn delete(&self, path: &str) -> Result<bool, DataError> {
        let failed = self.failed(path);
        let target = self.resolve(Path::new(path)).map_err(&failed)?;
        match std::fs::remove_file(target) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    fn width(&self) -> usize {
        2
    }
}
