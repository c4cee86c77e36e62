//! An attempt's log: a text file of `time level text` lines, bounded, secrets masked.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Clock;
use super::rendered::{Kept, Rendered};
use crate::data::DatasetName;
use crate::model::{AttemptId, TaskId, Timestamp};
use crate::secret::Masker;
use crate::telemetry::{LogLine, Origin, Severity, Telemetry};

/// What a line of a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A line of a child's standard output.
    Out,
    /// A line of a child's standard error.
    Err,
    Info,
    Warn,
    Error,
}

impl Level {
    /// The word in the log, five characters wide.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Out => "out  ",
            Self::Err => "err  ",
            Self::Info => "info ",
            Self::Warn => "warn ",
            Self::Error => "error",
        }
    }
}

/// Where an attempt's log stands, relative to the state folder:
/// `logs/<run>/<task>[.<item>].<generation>.<number>.log`.
#[must_use]
pub fn log_path(attempt: &AttemptId, task: &TaskId) -> PathBuf {
    let item = attempt
        .task_run
        .item
        .map_or_else(String::new, |item| format!(".{item}"));
    let (generation, number) = (attempt.generation, attempt.number);
    PathBuf::from("logs")
        .join(attempt.run.as_str())
        .join(format!("{task}{item}.{generation}.{number}.log"))
}

/// Where the picture of a task run is kept with its run, relative to the state folder:
/// `data/<run>/<task>[.<item>].<generation>.svg`. What its pipeline names may be overwritten by the
/// next run.
#[must_use]
pub fn picture_path(attempt: &AttemptId, task: &TaskId) -> PathBuf {
    let name = DatasetName {
        run: attempt.run.as_str(),
        task: task.as_str(),
        item: attempt.task_run.item,
        generation: attempt.generation,
    };
    name.path().with_extension("svg")
}

/// A log that clones share. The file is made with the first line.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
    /// Who else hears of its lines.
    told: Option<(Telemetry, Arc<Origin>)>,
}

struct Shared {
    path: PathBuf,
    limit: u64,
    masker: Masker,
    clock: Clock,
    state: Mutex<State>,
    rendered: Mutex<Kept>,
}

#[derive(Default)]
struct State {
    file: Option<File>,
    written: u64,
    full: bool,
}

impl Log {
    /// A log in the file `path` that takes at most `limit` bytes.
    #[must_use]
    pub fn new(path: PathBuf, limit: u64, masker: Masker, clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                path,
                limit,
                masker,
                clock,
                state: Mutex::default(),
                rendered: Mutex::default(),
            }),
            told: None,
        }
    }

    /// The same log, of whose lines a collector is told, too, when it wants them.
    #[must_use]
    pub fn told_to(mut self, telemetry: &Telemetry, origin: impl FnOnce() -> Origin) -> Self {
        let wanted = telemetry.wants_logs();
        self.told = wanted.then(|| (telemetry.clone(), Arc::new(origin())));
        self
    }

    /// Something worth knowing.
    pub fn info(&self, text: impl AsRef<str>) {
        self.write(Level::Info, text.as_ref());
    }

    /// Something that may be wrong.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.write(Level::Warn, text.as_ref());
    }

    /// Why the attempt fails.
    pub fn error(&self, text: impl AsRef<str>) {
        self.write(Level::Error, text.as_ref());
    }

    /// Writes a text, one line of the log for each of its lines. A log that can't be written is
    /// no reason to fail a task: the error goes to the process's own log.
    pub fn write(&self, level: Level, text: &str) {
        if self.is_full() {
            return;
        }
        let masked = self.mask(text);
        let now = (self.shared.clock)();
        let time = now.format("%Y-%m-%dT%H:%M:%S%.3fZ");
        let prefix = format!("{time} {} ", level.as_str());
        let mut lines = String::with_capacity(masked.len() + prefix.len() + 1);
        let mut state = self.state();
        if state.full {
            return;
        }
        for line in masked.lines() {
            let length = (lines.len() + prefix.len() + line.len() + 1) as u64;
            if state.written + length > self.shared.limit {
                state.full = true;
                lines.push_str(&format!(
                    "{time} {} the log is full at {} bytes: the rest is left out\n",
                    Level::Warn.as_str(),
                    self.shared.limit
                ));
                break;
            }
            lines.push_str(&prefix);
            lines.push_str(line);
            lines.push('\n');
            self.tell(level, now, line);
        }
        if let Err(error) = self.append(&mut state, lines.as_bytes()) {
            tracing::warn!(path = %self.shared.path.display(), %error, "a task's log can't be written");
        }
    }

    /// Keeps what is executed, beside the log; `make` isn't called when no more is kept.
    /// That it can't be kept is no reason to fail.
    pub fn rendered(&self, make: impl FnOnce() -> Rendered) {
        let shared = &self.shared;
        let mut kept = shared
            .rendered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if kept.is_full() {
            return;
        }
        if let Err(error) = kept.add(&shared.path, &shared.masker, make()) {
            tracing::warn!(path = %shared.path.display(), %error, "what a task executes can't be kept");
        }
    }

    fn tell(&self, level: Level, at: Timestamp, text: &str) {
        let Some((telemetry, origin)) = &self.told else {
            return;
        };
        let (severity, stream) = match level {
            Level::Out => (Severity::Info, Some("stdout")),
            Level::Err => (Severity::Info, Some("stderr")),
            Level::Info => (Severity::Info, None),
            Level::Warn => (Severity::Warn, None),
            Level::Error => (Severity::Error, None),
        };
        telemetry.line(|| LogLine {
            origin: origin.clone(),
            at,
            severity,
            stream,
            text: text.to_owned(),
        });
    }

    /// A text without the secrets, for what leaves the attempt beside its log: the reason of a
    /// failure.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        self.shared.masker.mask(text)
    }

    /// A value without the secrets.
    #[must_use]
    pub fn mask_json(&self, value: serde_json::Value) -> serde_json::Value {
        self.shared.masker.mask_json(value)
    }

    /// What masks it, for those who learn secrets on the way.
    #[must_use]
    pub fn masker(&self) -> &Masker {
        &self.shared.masker
    }

    /// Whether it takes no more lines, so that nobody needs to prepare any.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.state().full
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, state: &mut State, bytes: &[u8]) -> std::io::Result<()> {
        let file = if let Some(file) = &mut state.file {
            file
        } else {
            state.file.insert(open_to_append(&self.shared.path)?)
        };
        file.write_all(bytes)?;
        state.written += bytes.len() as u64;
        Ok(())
    }
}

/// Opens a file to add to it; makes it, and its folder, when they aren't there.
pub(super) fn open_to_append(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.create(true).append(true);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            options.open(path)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_keeps_what_fits_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/1.txt");
        let clock: Clock = Arc::new(|| "2026-08-21T00:00:00Z".parse().unwrap());
        let log = Log::new(path.clone(), 100, Masker::new(["secret"]), clock);
        assert!(!path.exists());
        log.write(Level::Out, "one\na secret\nthree\n");
        assert!(log.is_full());
        log.info("four");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| &line[25..]).collect();
        let note = "warn  the log is full at 100 bytes: the rest is left out";
        assert_eq!(lines, ["out   one", "out   a ***", note]);
    }
}
