//! The files a project is read from: on disk, or as a version kept them.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::connection::{Connections, Dialect};
use crate::document::{Diagnostic, Report, SourceId, Sources, Span};
use crate::task::ProjectView;

/// A larger file is surely no definition.
const MAX_FILE: u64 = 64 << 20;

/// Where texts come from.
#[derive(Clone, Copy)]
pub enum Origin<'a> {
    /// The project's folder.
    Disk(&'a Path),
    /// A kept version: path and text of every file.
    Kept(&'a BTreeMap<String, Arc<str>>),
}

/// Reads files and remembers what was read.
pub struct Files<'a> {
    pub origin: Origin<'a>,
    pub sources: Sources,
    known: HashMap<PathBuf, SourceId>,
    /// The files that define the DAG being read.
    pub used: BTreeMap<String, Arc<str>>,
}

impl<'a> Files<'a> {
    /// A reader that has read nothing.
    pub fn new(origin: Origin<'a>) -> Self {
        Self {
            origin,
            sources: Sources::default(),
            known: HashMap::new(),
            used: BTreeMap::new(),
        }
    }

    /// A reader for another thread, the n-th from 1: it knows what this one has read, and what it
    /// reads itself comes after that.
    pub fn branch(&self, number: usize) -> Self {
        Self {
            origin: self.origin,
            sources: self.sources.branch(number),
            known: self.known.clone(),
            used: BTreeMap::new(),
        }
    }

    /// Reads a file that is part of the DAG being read.
    ///
    /// # Errors
    /// Why it can't be read.
    pub fn read(&mut self, path: &Path) -> Result<(SourceId, Arc<str>), String> {
        let (id, text) = if let Some(id) = self.known.get(path) {
            (*id, self.sources.get(*id).text.clone())
        } else {
            let bytes = self.bytes(path)?;
            let text = String::from_utf8(bytes).map_err(|_| "it isn't UTF-8".to_owned())?;
            let text: Arc<str> = text.into();
            let id = self.sources.add(path, text.clone());
            self.known.insert(path.to_owned(), id);
            (id, text)
        };
        self.used
            .insert(path.to_string_lossy().into_owned(), text.clone());
        Ok((id, text))
    }

    fn bytes(&self, path: &Path) -> Result<Vec<u8>, String> {
        let root = match &self.origin {
            Origin::Kept(files) => {
                return files
                    .get(&*path.to_string_lossy())
                    .map(|text| text.as_bytes().to_vec())
                    .ok_or_else(|| "it isn't in the version of the run".to_owned());
            }
            Origin::Disk(root) => root,
        };
        read_file(&root.join(path))
    }

    /// The files beside a file, for "did you mean".
    pub fn siblings(&self, path: &Path) -> Vec<String> {
        let Origin::Disk(root) = &self.origin else {
            return Vec::new();
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .filter_map(Result::ok)
            .take(1000)
            .map(|entry| {
                folder
                    .join(entry.file_name())
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// Reads a YAML file; when that fails the reason is reported at its first byte.
    pub fn read_or_report(
        &mut self,
        path: &Path,
        report: &mut Report,
    ) -> Option<(SourceId, Arc<str>)> {
        match self.read(path) {
            Ok(found) => Some(found),
            Err(reason) => {
                let diagnostic = self.unreadable(path, &reason);
                report.push(diagnostic);
                None
            }
        }
    }

    fn unreadable(&mut self, path: &Path, reason: &str) -> Diagnostic {
        // A text with strange bytes can be shown, with a sign in their place.
        let bytes = self.bytes(path).unwrap_or_default();
        let valid = std::str::from_utf8(&bytes).map_or_else(|error| error.valid_up_to(), str::len);
        let text = String::from_utf8_lossy(&bytes);
        let source = self.sources.add(path, text);
        let shown = self.sources.get(source).text[valid..].chars().next();
        let end = valid + shown.map_or(0, char::len_utf8);
        let diagnostic = Diagnostic::error(
            "unreadable-file",
            format!("`{}` can't be read: {reason}", path.display()),
            Span::new(source, valid..end),
        );
        match bytes.get(valid) {
            Some(byte) => diagnostic
                .label(format!("byte {byte:#04x} begins no character"))
                .help("save the file as UTF-8"),
            None => diagnostic,
        }
    }
}

/// The bytes of a file, looked at once: a project may have thousands.
fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| reason(&error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err("it is a folder".to_owned());
    }
    if metadata.len() > MAX_FILE {
        return Err(format!("it is larger than {} MiB", MAX_FILE >> 20));
    }
    let size = usize::try_from(metadata.len()).unwrap_or(0);
    // One byte more than there should be: the end is found by the same look.
    let mut bytes = Vec::with_capacity(size + 1);
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// A project as a task's row sees it.
pub struct View<'a, 'b> {
    pub files: &'a mut Files<'b>,
    pub connections: &'a Connections,
    /// Connections with mistakes, and their kind where it is known.
    pub broken_connections: &'a BTreeMap<String, Option<&'static str>>,
}

impl ProjectView for View<'_, '_> {
    fn connection_kind(&self, name: &str) -> Option<&'static str> {
        self.connections
            .get(name)
            .map(|connection| connection.kind())
            .or_else(|| *self.broken_connections.get(name)?)
    }

    fn dialect(&self, name: &str) -> Option<Dialect> {
        self.connections
            .database(name)
            .map(crate::connection::Database::dialect)
    }

    fn connection_names(&self) -> Vec<&str> {
        let broken = self.broken_connections.keys().map(String::as_str);
        let names = self.connections.iter().map(|(name, _)| name.as_str());
        names.chain(broken).collect()
    }

    fn read_code(&mut self, path: &Path) -> Result<(SourceId, Arc<str>), String> {
        self.files.read(&tidy(path))
    }

    fn source_text(&self, source: SourceId) -> Option<Arc<str>> {
        Some(Arc::clone(&self.files.sources.get(source).text))
    }

    fn exists(&self, path: &Path) -> bool {
        match &self.files.origin {
            // What stood beside a kept version isn't known; it was checked when it was accepted.
            Origin::Kept(_) => true,
            Origin::Disk(root) => root.join(path).exists(),
        }
    }

    fn is_broken_connection(&self, name: &str) -> bool {
        self.broken_connections.contains_key(name)
    }

    fn siblings(&self, path: &Path) -> Vec<String> {
        self.files.siblings(path)
    }
}
/// The path without `.` parts, so that one file has one name.
fn tidy(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| !matches!(part, Component::CurDir))
        .collect()
}
