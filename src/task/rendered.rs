//! What an attempt has sent to others, as it was sent: statements with their values, requests,
//! commands. Kept beside its log, secrets masked, for people who ask what really was executed.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Log;
use super::log::open_to_append;
use crate::connection::Sent;
use crate::secret::Masker;

/// Bytes of one text that are kept, and of one value.
const TEXT: usize = 64 << 10;
const VALUE: usize = 2 << 10;
/// How much of it is kept of one attempt: a copy may send a million requests.
const MOST: usize = 50;
const BYTES: usize = 1 << 20;

/// Something that was executed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rendered {
    /// `sql`, `http` or `shell`; `note`: a remark about what isn't kept.
    pub kind: String,
    /// Where: a connection, or a folder. Empty when the text says it.
    pub place: String,
    /// The statement, the request or the script.
    pub text: String,
    /// What was bound or given with it: names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<RenderedValue>,
}

/// A value that was bound, or a variable that was set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RenderedValue {
    pub name: String,
    pub value: String,
}

impl Rendered {
    /// Of a kind, sent to a place.
    pub fn new(kind: &str, place: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            place: place.into(),
            text: text.into(),
            values: Vec::new(),
        }
    }

    /// With a value.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.values.push(RenderedValue { name, value });
        self
    }

    /// Without secrets, and no longer than what is kept.
    fn fit(self, masker: &Masker) -> Self {
        let value = |one: RenderedValue| RenderedValue {
            name: masker.mask(&one.name),
            value: cut(masker.mask(&one.value), VALUE),
        };
        Self {
            kind: self.kind,
            place: masker.mask(&self.place),
            text: cut(masker.mask(&self.text), TEXT),
            values: self.values.into_iter().map(value).collect(),
        }
    }
}

impl Log {
    /// What takes requests as they are sent, and keeps them.
    #[must_use]
    pub fn requests(&self) -> Sent {
        let log = self.clone();
        Arc::new(move |text| log.rendered(|| Rendered::new("http", "", text())))
    }
}

fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let whole = text.len();
        text.truncate(text.floor_char_boundary(most));
        text.push_str(&format!("… ({whole} bytes)"));
    }
    text
}

/// The file of what was executed, beside the log `path`.
#[must_use]
pub fn rendered_path(log: &Path) -> PathBuf {
    log.with_extension("rendered.jsonl")
}

/// Reads what an attempt has executed, in its order; nothing when it has executed nothing. A line
/// that is being written is left out.
///
/// # Errors
/// The file can't be read.
pub fn read_rendered(log: &Path) -> std::io::Result<Vec<Rendered>> {
    let text = match std::fs::read(rendered_path(log)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let lines = text.split(|byte| *byte == b'\n');
    Ok(lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect())
}

/// What has been kept so far.
#[derive(Debug, Default)]
pub(super) struct Kept {
    file: Option<File>,
    count: usize,
    bytes: usize,
}

impl Kept {
    /// Whether no more is kept.
    pub(super) fn is_full(&self) -> bool {
        self.count > MOST
    }

    /// Keeps something; `log` is the path of the log.
    pub(super) fn add(
        &mut self,
        log: &Path,
        masker: &Masker,
        rendered: Rendered,
    ) -> std::io::Result<()> {
        if self.is_full() {
            return Ok(());
        }
        let mut line = as_line(&rendered.fit(masker));
        self.count += 1;
        if self.count > MOST || self.bytes + line.len() > BYTES {
            self.count = MOST + 1;
            let note = "what was executed after this isn't kept";
            line = as_line(&Rendered::new("note", "", note));
        }
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            self.file.insert(open_to_append(&rendered_path(log))?)
        };
        self.bytes += line.len();
        file.write_all(&line)
    }
}

fn as_line(rendered: &Rendered) -> Vec<u8> {
    // Texts always have a JSON.
    let mut line = serde_json::to_vec(rendered).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_what_is_too_much_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("logs/run/load.0.1.log");
        let masker = Masker::new(["pass\"word"]);
        let mut kept = Kept::default();
        assert_eq!(read_rendered(&log).unwrap(), []);
        let sent = Rendered::new("sql", "results", "select 'pass\"word'").with("$1", "pass\"word");
        kept.add(&log, &masker, sent).unwrap();
        let huge = Rendered::new("http", "", "ä".repeat(TEXT));
        kept.add(&log, &masker, huge).unwrap();
        for _ in 0..2 * MOST {
            let more = Rendered::new("shell", "/", "ls");
            kept.add(&log, &masker, more).unwrap();
        }
        let read = read_rendered(&log).unwrap();
        assert_eq!(read.len(), MOST + 1);
        let first = Rendered::new("sql", "results", "select '***'").with("$1", "***");
        assert_eq!(read[0], first);
        assert!(read[1].text.len() < TEXT + 40);
        assert_eq!(read[MOST].kind, "note");
        assert_eq!(
            rendered_path(&log),
            folder.path().join("logs/run/load.0.1.rendered.jsonl")
        );
    }
}
