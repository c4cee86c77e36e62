//! Records that don't fit: each a mistake, or a line in a file of rejects.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    BatchBuilder, Column, ColumnKind, Columns, Compression, DataError, Format, PackedFile, Place,
    csv, ndjson,
};

/// A record that doesn't fit, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    pub place: Option<Place>,
    /// The column whose value is wrong, when it is one.
    pub column: Option<String>,
    pub value: Option<String>,
    /// Lowercase, without place, column and value.
    pub reason: String,
    /// The whole record: the line of its file, or its cells as JSON.
    pub record: String,
}

impl From<Reject> for DataError {
    fn from(reject: Reject) -> Self {
        let mut message = String::new();
        if let Some(place) = &reject.place {
            message += &format!("{}:{}: ", place.file.display(), place.line);
        }
        if let Some(column) = &reject.column {
            message += &format!("column `{column}`: ");
        }
        message += &reject.reason;
        if let Some(value) = &reject.value {
            message += &format!(": `{}`", shortened(value));
        }
        Self::Record {
            message,
            place: reject.place,
        }
    }
}

/// A value as a message shows it: not a megabyte.
fn shortened(value: &str) -> String {
    const MOST: usize = 200;
    match value.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// Takes the records that don't fit. Clones share it.
#[derive(Clone)]
pub struct Rejects {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    file: Option<(PackedFile, Format)>,
    path: PathBuf,
    /// Those that somebody takes.
    kept: Option<Vec<Reject>>,
    builder: BatchBuilder,
    encoder: ndjson::NdjsonEncoder,
    buffer: Vec<u8>,
    count: u64,
    first: Option<String>,
    failure: Option<DataError>,
}

impl Rejects {
    /// Counts rejects and writes them into `path` when it is given: `file`, `line`, `column`,
    /// `value`, `reason` and `record` of each.
    ///
    /// # Errors
    /// The file can't be made.
    pub fn create(path: Option<PathBuf>) -> Result<Self, DataError> {
        let columns: Columns = ["file", "line", "column", "value", "reason", "record"]
            .iter()
            .map(|name| Column {
                name: (*name).into(),
                kind: match *name {
                    "line" => ColumnKind::Number,
                    _ => ColumnKind::Text,
                },
            })
            .collect();
        let mut file = None;
        let mut buffer = Vec::new();
        if let Some(path) = &path {
            let format = Format::of(path).unwrap_or(Format::Csv);
            if format == Format::Csv {
                csv::encode_header(&columns, &mut buffer);
            }
            file = Some((PackedFile::create(path, Compression::of(path))?, format));
        }
        let shared = Shared {
            file,
            path: path.unwrap_or_default(),
            kept: None,
            encoder: ndjson::NdjsonEncoder::new(&columns),
            builder: BatchBuilder::new(columns),
            buffer,
            count: 0,
            first: None,
            failure: None,
        };
        Ok(Self {
            shared: Arc::new(Mutex::new(shared)),
        })
    }

    /// Keeps rejects for [`take`](Self::take).
    ///
    /// # Errors
    /// None without a file.
    pub fn kept() -> Result<Self, DataError> {
        let rejects = Self::create(None)?;
        rejects.lock().kept = Some(Vec::new());
        Ok(rejects)
    }

    /// The rejects that were kept since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<Reject> {
        let mut shared = self.lock();
        shared.kept.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes a record. A file that can't be written is told by [`finish`](Self::finish).
    pub fn add(&self, reject: Reject) {
        let mut shared = self.lock();
        shared.count += 1;
        if shared.file.is_some() {
            let line = reject.place.as_ref().map(|place| place.line.to_string());
            let file = reject
                .place
                .as_ref()
                .map(|place| place.file.to_string_lossy());
            for cell in [
                file.as_deref(),
                line.as_deref(),
                reject.column.as_deref(),
                reject.value.as_deref(),
                Some(&*reject.reason),
                Some(&*reject.record),
            ] {
                shared.builder.push(cell.map(str::as_bytes));
            }
            if shared.builder.is_full() {
                shared.write();
            }
        }
        if shared.first.is_none() {
            shared.first = Some(DataError::from(reject.clone()).to_string());
        }
        if let Some(kept) = &mut shared.kept {
            kept.push(reject);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.lock().count
    }

    /// The first of them, as a message.
    #[must_use]
    pub fn first(&self) -> Option<String> {
        self.lock().first.clone()
    }

    /// Makes the file durable; it is there, with its header, also when nothing was rejected.
    ///
    /// # Errors
    /// It can't be written.
    pub fn finish(&self) -> Result<(), DataError> {
        let mut shared = self.lock();
        shared.write();
        if let Some(error) = shared.failure.take() {
            return Err(error);
        }
        match shared.file.take() {
            Some((file, _)) => file.finish().map(drop),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn write(&mut self) {
        let batch = self.builder.take();
        let Some((file, format)) = &mut self.file else {
            return;
        };
        match format {
            Format::Csv => csv::encode_batch(&batch, &mut self.buffer),
            Format::Ndjson => self.encoder.encode(&batch, &mut self.buffer),
        }
        if let Err(error) = file.write_all(&self.buffer) {
            self.failure
                .get_or_insert_with(|| DataError::file(&self.path, error));
        }
        self.buffer.clear();
    }
}
