//! Records of files.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::csv::{CsvDialect, CsvParser};
use super::ndjson::{NdjsonParser, Wanted};
use super::thread::ThreadSource;
use super::{Batch, Columns, DataError, InputFile, InputFiles, Place, RecordSource, Rejects};

/// How the bytes of files become records.
#[derive(Debug, Clone)]
pub enum Reading {
    Csv(CsvDialect),
    Ndjson(Wanted),
}

/// The records of files, one after the other, parsed on a thread of their own.
pub struct FileSource {
    thread: ThreadSource,
}

impl FileSource {
    /// Opens the first file. Bad records go to `rejects`; without them the first one is an error.
    ///
    /// # Errors
    /// There is no file; it can't be opened, or its header can't be read.
    pub async fn open(
        files: InputFiles,
        reading: Reading,
        rejects: Option<Rejects>,
    ) -> Result<Self, DataError> {
        let thread = match reading {
            Reading::Csv(dialect) => {
                ThreadSource::open(rejects, move || CsvParser::open(files, dialect)).await
            }
            Reading::Ndjson(wanted) => {
                ThreadSource::open(rejects, move || NdjsonParser::open(files, wanted)).await
            }
        };
        Ok(Self { thread: thread? })
    }
}

#[async_trait]
impl RecordSource for FileSource {
    fn columns(&self) -> &Columns {
        self.thread.columns()
    }
    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        self.thread.next().await
    }
    fn place(&self, row: u64) -> Option<Place> {
        self.thread.place(row)
    }
}

/// The files of a path or of a pattern (`in/*.csv.gz`, `**`, `?`, `[ab]`), sorted by name. Names
/// that begin with a dot match only a pattern that begins with one. Folders are left out.
///
/// # Errors
/// What is wrong with the pattern.
pub fn find_files(root: &Path, pattern: &str) -> Result<Vec<InputFile>, String> {
    if !is_pattern(pattern) || root.join(pattern).is_file() {
        return Ok(vec![InputFile {
            path: root.join(pattern),
            shown: PathBuf::from(pattern),
        }]);
    }
    // The folder of the project is meant as it is.
    let whole = match root.to_str() {
        Some(root) if Path::new(pattern).is_relative() => {
            format!("{}/{pattern}", glob::Pattern::escape(root))
        }
        _ => pattern.to_owned(),
    };
    let found = glob::glob_with(&whole, MATCHING).map_err(|error| error.msg.to_owned())?;
    let mut files: Vec<InputFile> = found
        .filter_map(Result::ok)
        .filter(|path| path.is_file())
        .map(|path| InputFile {
            shown: path.strip_prefix(root).unwrap_or(&path).to_owned(),
            path,
        })
        .collect();
    files.sort_by(|a, b| a.shown.cmp(&b.shown));
    Ok(files)
}

const MATCHING: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Whether a file of this path is among those of a path or pattern.
#[must_use]
pub fn matches_pattern(pattern: &str, path: &str) -> bool {
    pattern == path
        || glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_with(path, MATCHING))
}

/// What is wrong with a pattern of files; `None`: nothing.
#[must_use]
pub fn wrong_pattern(pattern: &str) -> Option<String> {
    let wrong = glob::Pattern::new(pattern).err()?;
    is_pattern(pattern).then(|| wrong.msg.to_owned())
}

/// Whether a path names many files.
#[must_use]
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a [project]");
        std::fs::create_dir_all(root.join("in/deep")).unwrap();
        for name in [
            "b.csv",
            "a.csv",
            "c.txt",
            ".a.csv.partial",
            ".h.csv",
            "deep/d.csv",
        ] {
            std::fs::write(root.join("in").join(name), "").unwrap();
        }
        for (pattern, expected) in [
            ("in/*.csv", &["in/a.csv", "in/b.csv"][..]),
            ("in/**/*.csv", &["in/a.csv", "in/b.csv", "in/deep/d.csv"]),
            ("in/?.*", &["in/a.csv", "in/b.csv", "in/c.txt"]),
            ("in/[bc].*", &["in/b.csv", "in/c.txt"]),
            ("in/none*.csv", &[]),
            ("in/missing.csv", &["in/missing.csv"]),
        ] {
            let found = find_files(&root, pattern).unwrap();
            let shown: Vec<&str> = found
                .iter()
                .map(|file| file.shown.to_str().unwrap())
                .collect();
            assert_eq!(shown, expected, "{pattern}");
        }
    }
}
