//! What an attempt has sent to others, as it was sent: statements with their values, requests,
//! commands. Kept beside its log, secrets masked, for people who ask what really was executed.
//!
//! The attempts of a run share a file: one for each would cost more than many a task itself. Once that
//! is long, each later attempt has its own, so that nobody reads far for a few lines.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
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
/// Bytes of a run's file from which on attempts have their own.
const SHARED: u64 = 4 << 20;

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

/// The file of what the attempts of a run have executed, beside the log of one.
fn shared_path(log: &Path) -> PathBuf {
    log.with_file_name("rendered.jsonl")
}

/// The file of what one attempt has executed, where the run's is long, beside its log.
fn own_path(log: &Path) -> PathBuf {
    log.with_extension("rendered.jsonl")
}

/// How the lines of an attempt begin.
fn beginning(log: &Path) -> Vec<u8> {
    let attempt = log.file_stem().unwrap_or_default().to_string_lossy();
    format!("{{\"attempt\":{},", Json::from(attempt)).into_bytes()
}

/// Reads what an attempt has executed, in its order; nothing when it has executed nothing. A line
/// that is being written is left out. `log` is the path of the attempt's log.
///
/// # Errors
/// The file can't be read.
pub fn read_rendered(log: &Path) -> std::io::Result<Vec<Rendered>> {
    let begins = beginning(log);
    let mut found = Vec::new();
    for path in [shared_path(log), own_path(log)] {
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other?,
        };
        let lines = text.split(|byte| *byte == b'\n');
        let own = lines.filter(|line| line.starts_with(&begins));
        found.extend(own.filter_map(|line| serde_json::from_slice::<Rendered>(line).ok()));
    }
    Ok(found)
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
        let mut line = as_line(log, &rendered.fit(masker));
        self.count += 1;
        if self.count > MOST || self.bytes + line.len() > BYTES {
            self.count = MOST + 1;
            let note = "what was executed after this isn't kept";
            line = as_line(log, &Rendered::new("note", "", note));
        }
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            // Whoever wrote before may have been killed within a line.
            line.insert(0, b'\n');
            self.file.insert(open(log)?)
        };
        self.bytes += line.len();
        // One write at the end of the file: lines of several attempts don't mix.
        file.write_all(&line)
    }
}

/// The file that takes what an attempt executes.
fn open(log: &Path) -> std::io::Result<File> {
    let shared = open_to_append(&shared_path(log))?;
    if shared.metadata()?.len() < SHARED {
        return Ok(shared);
    }
    open_to_append(&own_path(log))
}

fn as_line(log: &Path, rendered: &Rendered) -> Vec<u8> {
    let mut line = beginning(log);
    // Texts always have a JSON, and it begins with a brace.
    let all = serde_json::to_vec(rendered).unwrap_or_default();
    line.extend(all.get(1..).unwrap_or_default());
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
    }

    #[test]
    fn attempts_share_a_file_until_it_is_long() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs/run");
        let masker = Masker::default();
        let says = |name: &str, text: &str| {
            let log = logs.join(format!("{name}.log"));
            let sent = Rendered::new("shell", "/", text);
            Kept::default().add(&log, &masker, sent).unwrap();
        };
        let said = |name: &str| -> Vec<String> {
            let read = read_rendered(&logs.join(format!("{name}.log"))).unwrap();
            read.into_iter().map(|one| one.text).collect()
        };
        says("load.0.1", "first");
        says("load.0.11", "another");
        says("load.0.1", "second");
        // A process was killed while it wrote.
        let shared = logs.join("rendered.jsonl");
        let mut file = open_to_append(&shared).unwrap();
        file.write_all(b"{\"attempt\":\"load.0.1\",\"kind\":\"sh")
            .unwrap();
        says("load.0.2", "after that");
        assert_eq!(said("load.0.1"), ["first", "second"]);
        assert_eq!(said("load.0.2"), ["after that"]);
        assert_eq!(said("load.0.11"), ["another"]);
        assert_eq!(std::fs::read_dir(&logs).unwrap().count(), 1);

        file.set_len(SHARED).unwrap();
        says("load.0.1", "third");
        assert_eq!(said("load.0.1"), ["first", "second", "third"]);
        assert!(logs.join("load.0.1.rendered.jsonl").is_file());
    }
}
