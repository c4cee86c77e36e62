//! Records into a file.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::csv;
use super::ndjson::NdjsonEncoder;
use super::thread::{Consumer, ThreadSink};
use super::{Batch, Columns, Compression, DataError, FileStore, LocalFiles, PackedFile};

crate::choice! {
    /// How records are written in a file.
    pub enum Format as "format" {
        /// Comma-separated values: header, LF, quotes where they are needed. NULL is nothing, an
        /// empty text is `""`, as PostgreSQL reads and writes it.
        Csv = "csv",
        /// A JSON object a line.
        Ndjson = "ndjson",
    }
}

impl Format {
    /// What a file's extension says, with that of a compression aside: `.csv`, `.ndjson`,
    /// `.jsonl`.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let name = name
            .strip_suffix(Compression::of(path).extension())
            .unwrap_or(name);
        match name.rsplit_once('.')?.1 {
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            _ => None,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes records into a file that appears when it is finished, on a thread of its own.
pub struct FileSink {
    thread: ThreadSink<FileConsumer>,
}

impl FileSink {
    /// Begins a file.
    ///
    /// # Errors
    /// The file can't be made; two columns have the same name, which JSON can't hold.
    pub async fn create(
        path: PathBuf,
        format: Format,
        compression: Compression,
        columns: Columns,
    ) -> Result<Self, DataError> {
        Self::create_in(Arc::new(LocalFiles), path, format, compression, columns).await
    }

    /// Begins a file of a store.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_in(
        store: Arc<dyn FileStore>,
        path: PathBuf,
        format: Format,
        compression: Compression,
        columns: Columns,
    ) -> Result<Self, DataError> {
        let thread = ThreadSink::open(move || {
            FileConsumer::open(&*store, path, format, compression, &columns)
        });
        Ok(Self {
            thread: thread.await?,
        })
    }

    /// Adds the rows of a batch. A write that fails is told now or at one of the next calls.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub async fn write(&mut self, batch: Batch) -> Result<(), DataError> {
        self.thread.write(batch).await
    }

    /// Makes the file durable and gives it its name.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub async fn finish(self) -> Result<Written, DataError> {
        self.thread.finish().await
    }
}

enum Encoder {
    Csv,
    Ndjson(NdjsonEncoder),
}

struct FileConsumer {
    file: PackedFile,
    path: PathBuf,
    encoder: Encoder,
    buffer: Vec<u8>,
    rows: u64,
}

impl FileConsumer {
    fn open(
        store: &dyn FileStore,
        path: PathBuf,
        format: Format,
        compression: Compression,
        columns: &Columns,
    ) -> Result<Self, DataError> {
        let mut buffer = Vec::new();
        let encoder = match format {
            Format::Csv => {
                csv::encode_header(columns, &mut buffer);
                Encoder::Csv
            }
            Format::Ndjson => {
                refuse_doubles(columns)?;
                Encoder::Ndjson(NdjsonEncoder::new(columns))
            }
        };
        let mut file = PackedFile::create_in(store, &path, compression)?;
        file.write_all(&buffer)
            .map_err(|error| DataError::file(&path, error))?;
        Ok(Self {
            file,
            path,
            encoder,
            buffer,
            rows: 0,
        })
    }
}

pub(super) fn refuse_doubles(columns: &Columns) -> Result<(), DataError> {
    for (at, column) in columns.iter().enumerate() {
        if columns[..at].iter().any(|other| other.name == column.name) {
            return Err(DataError::Source {
                message: format!(
                    "two columns are named `{}`: give one of them another name (`as …`)",
                    column.name
                ),
                retryable: false,
            });
        }
    }
    Ok(())
}

impl Consumer for FileConsumer {
    type Result = Written;

    fn write(&mut self, batch: &Batch) -> Result<(), DataError> {
        self.buffer.clear();
        match &self.encoder {
            Encoder::Csv => csv::encode_batch(batch, &mut self.buffer),
            Encoder::Ndjson(encoder) => encoder.encode(batch, &mut self.buffer),
        }
        self.rows += batch.rows() as u64;
        self.file
            .write_all(&self.buffer)
            .map_err(|error| DataError::file(&self.path, error))
    }

    fn finish(self) -> Result<Written, DataError> {
        Ok(Written {
            rows: self.rows,
            bytes: self.file.finish()?,
        })
    }
}
