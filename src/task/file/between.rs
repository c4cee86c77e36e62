//! The same work with files of buckets, and between them and the project. Blocking.

use std::io::{self, Read, Write};
use std::path::Path;

use super::act::{Work, nothing};
use super::bytes::{Coding, pump};
use super::place::Found;
use crate::data::{DataError, PackedFile, is_pattern};
use crate::task::TaskFailure;

impl Work {
    /// Copies files from one store to another, or moves them.
    pub(super) fn transfer(
        &mut self,
        from: &Found,
        to: &Found,
        keep: bool,
    ) -> Result<(), TaskFailure> {
        self.verb = if keep { "copied" } else { "moved" };
        let files = from.store.list(&from.path)?;
        if files.is_empty() && !(self.again && !keep && self.moved_before(from, to)?) {
            return Err(nothing(&from.shown()));
        }
        for file in files {
            let target = to.with(new_path(from, to, &file.path, None));
            let source = from.with(file.path);
            if source.connection == target.connection && source.path == target.path {
                return Err(TaskFailure::permanent(format!(
                    "`{}` would be copied onto itself",
                    target.shown()
                )));
            }
            let bytes = if source.connection == target.connection {
                source.store.copy(&source.path, &target.path)?
            } else {
                let mut reader = open(&source)?;
                let mut writer = target.store.create(Path::new(&target.path))?;
                let bytes = self.pour(&mut reader, &mut writer, &source, &target)?;
                writer.finish()?;
                bytes
            };
            if !keep {
                source.store.delete(&source.path)?;
            }
            self.done(target.shown(), bytes);
        }
        Ok(())
    }

    /// A file that is gone while its target is there was moved by an earlier attempt; of a pattern
    /// nothing can be said.
    fn moved_before(&mut self, from: &Found, to: &Found) -> Result<bool, TaskFailure> {
        if is_pattern(&from.path) {
            return Ok(true);
        }
        let target = to.with(new_path(from, to, &from.path, None));
        let found = target.store.head(&target.path)?;
        if found.is_some() {
            self.done(target.shown(), 0);
        }
        Ok(found.is_some())
    }

    /// Deletes files; those that aren't there are gone already.
    pub(super) fn delete_in(&mut self, place: &Found) -> Result<(), TaskFailure> {
        self.verb = "deleted";
        for file in place.store.list(&place.path)? {
            if place.store.delete(&file.path)? {
                self.files += 1;
            }
        }
        Ok(())
    }

    /// Writes a file.
    pub(super) fn write_in(&mut self, place: &Found, text: &[u8]) -> Result<(), TaskFailure> {
        self.verb = "wrote";
        let mut file = place.store.create(Path::new(&place.path))?;
        file.write_all(text).map_err(|error| failed(place, error))?;
        file.finish()?;
        self.done(place.shown(), text.len() as u64);
        Ok(())
    }

    /// Packs or unpacks files, within one store or from one to another.
    pub(super) fn pack_in(
        &mut self,
        from: &Found,
        to: Option<&Found>,
        coding: Coding,
        keep: bool,
    ) -> Result<(), TaskFailure> {
        self.verb = if coding.unpack { "unpacked" } else { "packed" };
        let files = from.store.list(&from.path)?;
        if files.is_empty() && (keep || !self.again) {
            return Err(nothing(&from.shown()));
        }
        for file in files {
            let source = from.with(file.path);
            let shown = source.shown();
            let format = coding.format(&shown, to.map(|to| to.path.as_str()))?;
            let beside = coding.name(&source.path, format);
            let target = match to {
                Some(to) => to.with(new_path(from, to, &source.path, Some(&beside))),
                None => from.with(beside),
            };
            let (reading, writing) = coding.ends(format);
            let mut reader = reading
                .reader(open(&source)?)
                .map_err(|error| failed(&source, error))?;
            let mut writer =
                PackedFile::create_in(&*target.store, Path::new(&target.path), writing)?;
            let bytes = self.pour(&mut reader, &mut writer, &source, &target)?;
            writer.finish()?;
            if !keep {
                source.store.delete(&source.path)?;
            }
            self.done(target.shown(), bytes);
        }
        Ok(())
    }

    fn pour(
        &self,
        source: &mut impl Read,
        sink: &mut impl Write,
        from: &Found,
        to: &Found,
    ) -> Result<u64, TaskFailure> {
        let (from, to) = (from.shown(), to.shown());
        pump(
            source,
            sink,
            (Path::new(&from), Path::new(&to)),
            &self.cancel,
        )
    }
}

fn open(place: &Found) -> Result<Box<dyn Read + Send>, TaskFailure> {
    let opened = place.store.open(Path::new(&place.path));
    Ok(opened.map_err(|error| failed(place, error))?)
}

fn failed(place: &Found, error: io::Error) -> DataError {
    DataError::file(Path::new(&place.shown()), error)
}

/// The path of a new file: `to`, or a file in the folder `to` when that ends with `/` or when there
/// may be several.
fn new_path(from: &Found, to: &Found, path: &str, name: Option<&str>) -> String {
    if !is_pattern(&from.path) && !to.path.ends_with('/') {
        return to.path.clone();
    }
    let name = name.unwrap_or(path);
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    format!("{}/{name}", to.path.trim_end_matches('/'))
}
