//! The work itself, blocking.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};
use tokio_util::sync::CancellationToken;

use super::bytes::{Coding, pump};
use crate::data::{
    AtomicFile, Compression, DataError, InputFile, PackedFile, find_files, is_pattern, sync_folder,
};
use crate::task::{AttemptContext, Metrics, TaskFailure};

/// Work on files of a project.
pub(super) struct Work {
    root: PathBuf,
    pub(super) cancel: CancellationToken,
    /// An earlier attempt may have done a part of it.
    pub(super) again: bool,
    pub(super) verb: &'static str,
    pub(super) files: u64,
    bytes: u64,
    made: Vec<String>,
}

impl Work {
    pub(super) fn new(attempt: &AttemptContext) -> Self {
        Self {
            root: attempt.places.root.clone(),
            cancel: attempt.cancel.clone(),
            again: attempt.id.number > 1,
            verb: "",
            files: 0,
            bytes: 0,
            made: Vec::new(),
        }
    }

    /// Copies files.
    pub(super) fn copy(&mut self, from: &str, to: &str) -> Result<(), TaskFailure> {
        self.verb = "copied";
        for file in self.find(from)? {
            let target = self.target(&file, from, to, None);
            self.copy_one(&file, &target)?;
        }
        Ok(())
    }

    /// Moves files. A file that is gone while its target is there was moved by an earlier attempt.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), TaskFailure> {
        self.verb = "moved";
        let files = find_files(&self.root, from).map_err(TaskFailure::permanent)?;
        self.expect(from, &files)?;
        for file in files {
            let target = self.target(&file, from, to, None);
            if !file.path.exists() {
                if self.root.join(&target).is_file() {
                    self.made.push(target);
                    self.files += 1;
                    continue;
                }
                return Err(missing(&file));
            }
            self.rename_one(&file, &target)?;
        }
        Ok(())
    }

    /// Deletes files; those that aren't there are gone already.
    pub(super) fn delete(&mut self, path: &str) -> Result<(), TaskFailure> {
        self.verb = "deleted";
        for file in find_files(&self.root, path).map_err(TaskFailure::permanent)? {
            if file.path.is_dir() {
                return Err(TaskFailure::permanent(format!(
                    "`{}` is a folder: use `{0}/*` for the files in it",
                    file.shown.display()
                )));
            }
            match std::fs::remove_file(&file.path) {
                Ok(()) => self.files += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(DataError::file(&file.shown, error).into()),
            }
        }
        Ok(())
    }

    /// Writes a file.
    pub(super) fn write(&mut self, path: &str, text: &[u8]) -> Result<(), TaskFailure> {
        self.verb = "wrote";
        let target = self.root.join(path);
        let mut file = AtomicFile::create(&target)?;
        file.write_all(text)
            .map_err(|error| DataError::file(&target, error))?;
        file.finish()?;
        self.done(path.to_owned(), text.len() as u64);
        Ok(())
    }

    /// Packs or unpacks files.
    pub(super) fn pack(
        &mut self,
        from: &str,
        to: Option<&str>,
        coding: Coding,
        keep: bool,
    ) -> Result<(), TaskFailure> {
        self.verb = if coding.unpack { "unpacked" } else { "packed" };
        let files = find_files(&self.root, from).map_err(TaskFailure::permanent)?;
        self.expect(from, &files)?;
        for file in files {
            let shown = file.shown.to_string_lossy().into_owned();
            let format = coding.format(&shown, to)?;
            let beside = coding.name(&shown, format);
            let target = match to {
                Some(to) => self.target(&file, from, to, Path::new(&beside).file_name()),
                None => beside,
            };
            if !file.path.exists() {
                if !keep && self.root.join(&target).is_file() {
                    self.made.push(target);
                    self.files += 1;
                    continue;
                }
                return Err(missing(&file));
            }
            self.pack_one(&file, &target, coding.ends(format))?;
            if !keep {
                std::fs::remove_file(&file.path)
                    .map_err(|error| DataError::file(&file.shown, error))?;
            }
        }
        Ok(())
    }

    fn pack_one(
        &mut self,
        file: &InputFile,
        target: &str,
        (reading, writing): (Compression, Compression),
    ) -> Result<(), TaskFailure> {
        let failed = |error| DataError::file(&file.shown, error);
        let source = std::fs::File::open(&file.path).map_err(failed)?;
        let mut source = reading.reader(source).map_err(failed)?;
        let path = self.root.join(target);
        let mut sink = PackedFile::create(&path, writing)?;
        let bytes = pump(
            &mut source,
            &mut sink,
            (&file.shown, Path::new(target)),
            &self.cancel,
        )?;
        sink.finish()?;
        self.done(target.to_owned(), bytes);
        Ok(())
    }

    fn copy_one(&mut self, file: &InputFile, target: &str) -> Result<(), TaskFailure> {
        let path = self.root.join(target);
        if same_file(&file.path, &path) {
            return Err(TaskFailure::permanent(format!(
                "`{target}` would be copied onto itself"
            )));
        }
        let mut source =
            std::fs::File::open(&file.path).map_err(|error| DataError::file(&file.shown, error))?;
        let mut sink = AtomicFile::create(&path)?;
        let bytes = pump(
            &mut source,
            &mut sink,
            (&file.shown, Path::new(target)),
            &self.cancel,
        )?;
        sink.finish()?;
        self.done(target.to_owned(), bytes);
        Ok(())
    }

    fn rename_one(&mut self, file: &InputFile, target: &str) -> Result<(), TaskFailure> {
        let path = self.root.join(target);
        if same_file(&file.path, &path) {
            self.done(target.to_owned(), 0);
            return Ok(());
        }
        let bytes = std::fs::metadata(&file.path).map_or(0, |metadata| metadata.len());
        let folder = path.parent().unwrap_or(&self.root);
        let moved = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::rename(&file.path, &path))
            .and_then(|()| sync_folder(folder));
        match moved {
            Ok(()) => self.done(target.to_owned(), bytes),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                self.copy_one(file, target)?;
                std::fs::remove_file(&file.path)
                    .map_err(|error| DataError::file(&file.shown, error))?;
            }
            Err(error) => return Err(DataError::file(&file.shown, error).into()),
        }
        Ok(())
    }

    fn find(&self, path: &str) -> Result<Vec<InputFile>, TaskFailure> {
        let files = find_files(&self.root, path).map_err(TaskFailure::permanent)?;
        match files.iter().find(|file| !file.path.exists()) {
            Some(file) => Err(missing(file)),
            None if files.is_empty() => Err(nothing(path)),
            None => Ok(files),
        }
    }

    /// A pattern has to match something, unless an earlier attempt has taken it all away.
    fn expect(&self, pattern: &str, files: &[InputFile]) -> Result<(), TaskFailure> {
        if files.is_empty() && !self.again {
            return Err(nothing(pattern));
        }
        Ok(())
    }

    /// The path of a new file: `to`, or a file in the folder `to`.
    fn target(
        &self,
        file: &InputFile,
        from: &str,
        to: &str,
        name: Option<&std::ffi::OsStr>,
    ) -> String {
        let pattern = is_pattern(from) && !self.root.join(from).is_file();
        if !pattern && !to.ends_with('/') && !self.root.join(to).is_dir() {
            return to.to_owned();
        }
        let name = name.or(file.path.file_name()).unwrap_or_default();
        format!("{}/{}", to.trim_end_matches('/'), name.to_string_lossy())
    }

    pub(super) fn done(&mut self, made: String, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
        self.made.push(made);
    }

    pub(super) fn summary(&self) -> String {
        let files = if self.files == 1 { "file" } else { "files" };
        format!("{} {} {files}, {} bytes", self.verb, self.files, self.bytes)
    }

    pub(super) fn metrics(&self) -> Metrics {
        Metrics {
            bytes: Some(self.bytes),
            made: self.made.iter().take(100).cloned().collect(),
            summary: Some(self.summary()),
            ..Metrics::default()
        }
    }

    pub(super) fn outputs(&self) -> Map<String, Json> {
        let mut outputs = Map::new();
        outputs.insert("files".to_owned(), self.files.into());
        outputs.insert("bytes".to_owned(), self.bytes.into());
        outputs
    }
}

fn missing(file: &InputFile) -> TaskFailure {
    TaskFailure::retryable(format!("file `{}` doesn't exist", file.shown.display()))
}

pub(super) fn nothing(pattern: &str) -> TaskFailure {
    TaskFailure::retryable(format!("no file matches `{pattern}`"))
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}
