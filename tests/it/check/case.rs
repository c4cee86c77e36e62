//! A project in one text file: what it shows, and its files under `--- path` lines.
//!
//! ```text
//! One sentence that says what is wrong.
//! profile: prod
//! environment: NAME=value OTHER=value
//! --- runner.yaml
//! connections: {}
//! --- pipelines/a.yaml escaped
//! dag: a\xff
//! --- pipelines/b.yaml folder
//! ```
//!
//! `escaped` files may hold any byte as `\xff`; a `folder` stands where a file is expected.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use runner::connection::Places;
use runner::secret::Environment;
use runner::spec::{Loaded, load};
use tempfile::TempDir;

/// A project that is written to a folder of its own.
#[derive(Debug, Default)]
pub struct Case {
    /// The file's name without its extension.
    pub name: String,
    /// The first line.
    pub description: String,
    profile: Option<String>,
    environment: Vec<(String, String)>,
    entries: Vec<(PathBuf, Entry)>,
}

#[derive(Debug)]
enum Entry {
    File(Vec<u8>),
    Folder,
}

impl Case {
    /// A project of a few files.
    pub fn of(files: &[(&str, &[u8])]) -> Self {
        let file = |(path, bytes): &(&str, &[u8])| (path.into(), Entry::File(bytes.to_vec()));
        Self {
            entries: files.iter().map(file).collect(),
            ..Self::default()
        }
    }

    /// Reads a case from its file.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut case = Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            ..Self::default()
        };
        let mut parts = text.split("\n--- ");
        for line in parts.next().unwrap_or_default().lines() {
            if let Some(profile) = line.strip_prefix("profile: ") {
                case.profile = Some(profile.to_owned());
            } else if let Some(pairs) = line.strip_prefix("environment: ") {
                let pairs = pairs.split(' ').map(|pair| pair.split_once('=').unwrap());
                let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                case.environment = pairs.map(owned).collect();
            } else {
                assert!(
                    case.description.is_empty(),
                    "{}: two descriptions",
                    case.name
                );
                line.clone_into(&mut case.description);
            }
        }
        for part in parts {
            let (header, content) = part.split_once('\n').unwrap_or((part, ""));
            let content = if content.is_empty() || content.ends_with('\n') {
                content.to_owned()
            } else {
                format!("{content}\n")
            };
            let (path, entry) = match header.split_once(' ') {
                None => (header, Entry::File(content.into_bytes())),
                Some((path, "escaped")) => (path, Entry::File(unescaped(content.trim_end()))),
                Some((path, "folder")) => (path, Entry::Folder),
                Some((_, other)) => panic!("{}: what is `{other}`?", case.name),
            };
            case.entries.push((path.into(), entry));
        }
        assert!(!case.entries.is_empty(), "{}: no files", case.name);
        case
    }

    /// Its files that are texts.
    pub fn texts(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.entries.iter().filter_map(|(path, entry)| match entry {
            Entry::File(bytes) => Some((path.as_path(), std::str::from_utf8(bytes).ok()?)),
            Entry::Folder => None,
        })
    }

    /// Writes the project and reads it as `runner check` does.
    pub fn load(&self) -> Loaded {
        let folder = TempDir::new().unwrap();
        self.write(folder.path());
        let pairs: Vec<(&str, &str)> = self
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        load(
            &places(folder.path()),
            self.profile.as_deref(),
            Environment::from_pairs(&pairs),
        )
    }

    fn write(&self, root: &Path) {
        for (path, entry) in &self.entries {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match entry {
                Entry::File(bytes) => std::fs::write(path, bytes).unwrap(),
                Entry::Folder => std::fs::create_dir(path).unwrap(),
            }
        }
    }
}

/// The places of a project that is only read.
pub fn places(root: &Path) -> Arc<Places> {
    Arc::new(Places {
        root: root.to_owned(),
        state: root.join(".runner"),
        executable: PathBuf::from("runner"),
    })
}

/// Replaces `\xff` by its byte.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).unwrap());
        bytes.extend(rest.as_bytes());
    }
    bytes
}
