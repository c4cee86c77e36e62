//! Where a copy takes its records from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::columns::Mapping;
use super::files::{Files, Found};
use super::query::Query;
use crate::data::{
    Batch, Columns, Compression, DataError, DatasetReader, FileSource, Format, Place, Reading,
    RecordSource, Rejects,
};
use crate::document::{Diagnostic, Node, Spanned};
use crate::model::TaskId;
use crate::task::{AttemptContext, Progress, Surroundings, TaskFailure};

crate::record! {
    /// Where the records come from: `file`, `dataset`, or `connection` with a query.
    pub(super) struct From as "a `from`" {
        /// A file or a pattern of files (`in/*.csv.gz`), read in the order of their names. With `connection`: the file of the query.
        file: Option<Spanned<String>>,
        /// A task that comes before this one: the records it has left, all items of its `foreach` as one stream.
        dataset: Option<Spanned<String>>,
        /// The database that is asked.
        connection: Option<Spanned<String>>,
        /// A query; `:name` and `{{ … }}` are bound as values.
        query: Option<Spanned<String>>,
        /// Values for the names of the query, beside the DAG's parameters.
        params: crate::document::Map<Node>,
        /// `csv` or `ndjson`, where the extension doesn't say it.
        format: Option<Format>,
        /// Between the fields of a CSV file: one character, or `tab`. A comma when left out.
        delimiter: Option<Spanned<String>>,
        /// Around the fields of a CSV file. `"` when left out.
        quote: Option<Spanned<String>>,
        /// Whether each CSV file begins with the names of its columns.
        header: bool = "true" => true,
        /// The names of a CSV file's columns, instead of those in its header.
        columns: Option<Vec<String>>,
        /// An unquoted field with this text is NULL. An empty field when left out.
        null_text: Option<String>,
        /// The encoding of the text (`latin1`, `utf-16le`, …). UTF-8 when left out; a byte order mark counts more.
        encoding: Option<Spanned<String>>,
        /// `gzip`, `zstd` or `none`, where the extension doesn't say it.
        compression: Option<Compression>,
    }
}

/// Where the records come from.
#[derive(Debug)]
pub(super) enum Source {
    Files(Files),
    Dataset(TaskId),
    Query(Query),
}

impl Source {
    /// Checks a `from`.
    pub(super) fn read(from: &From, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        let kinds = [
            ("file", from.file.is_some() && from.connection.is_none()),
            ("dataset", from.dataset.is_some()),
            ("connection", from.connection.is_some()),
        ];
        let given: Vec<&str> = kinds
            .iter()
            .filter(|(_, given)| *given)
            .map(|(name, _)| *name)
            .collect();
        match given.as_slice() {
            [_] => {}
            [] if from.query.is_some() => {
                surroundings.report.push(
                    Diagnostic::error("missing-key", "a query needs `connection`", from.span)
                        .label("add `connection:`"),
                );
                return None;
            }
            [] => {
                surroundings.report.push(
                    Diagnostic::error("missing-key", "a `from` needs a source", from.span)
                        .label("add `file:`, `dataset:` or `connection:` with `query:`"),
                );
                return None;
            }
            several => {
                surroundings.report.push(Diagnostic::error(
                    "conflicting-keys",
                    format!(
                        "a `from` has one source, this one has {}",
                        several
                            .iter()
                            .map(|name| format!("`{name}`"))
                            .collect::<Vec<_>>()
                            .join(" and ")
                    ),
                    from.span,
                ));
                return None;
            }
        }
        refuse_settings_of_files(from, given[0], surroundings);
        match (&from.file, &from.dataset, &from.connection) {
            (_, _, Some(connection)) => {
                Query::read(from, connection, surroundings).map(Self::Query)
            }
            (Some(file), ..) => Files::read(from, file, surroundings).map(Self::Files),
            (_, Some(dataset), _) => surroundings.dataset(dataset).map(Self::Dataset),
            _ => None,
        }
    }

    /// The name of the connection that is read.
    pub(super) fn connection(&self) -> Option<&str> {
        match self {
            Self::Query(query) => Some(query.connection()),
            _ => None,
        }
    }

    /// Opens the source, and hands its records over. Returns the bytes that were read.
    pub(super) async fn read_into(
        &self,
        attempt: &AttemptContext,
        mapping: &Mapping,
        rejects: Option<&Rejects>,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure> {
        match self {
            Self::Files(files) => {
                let Found {
                    files: found,
                    format,
                    bytes_read,
                    ..
                } = files.find(attempt)?;
                let reading = match format {
                    Format::Csv => Reading::Csv(files.dialect.clone()),
                    Format::Ndjson => Reading::Ndjson(mapping.wanted()),
                };
                let source = FileSource::open(found, reading, rejects.cloned()).await?;
                let mut source = Measured::new(source, attempt, Some(bytes_read.clone()));
                consumer.consume(&mut source).await?;
                Ok(bytes_read.load(Ordering::Relaxed))
            }
            Self::Dataset(task) => {
                let datasets = attempt.datasets.get(task).map_or(&[][..], Vec::as_slice);
                let bytes = datasets.iter().map(|dataset| dataset.bytes).sum();
                attempt.progress.expect_bytes(bytes);
                attempt.log.info(match datasets {
                    [] => format!("`{task}` has left no dataset"),
                    _ => format!("reading the dataset of `{task}` ({bytes} bytes)"),
                });
                let source = DatasetReader::open(&attempt.places.state, datasets).await?;
                let mut source = Measured::new(source, attempt, None);
                consumer.consume(&mut source).await?;
                Ok(bytes)
            }
            Self::Query(query) => query.read_into(attempt, consumer).await,
        }
    }
}

fn refuse_settings_of_files(from: &From, kind: &str, surroundings: &mut Surroundings<'_>) {
    let settings = [
        ("delimiter", from.delimiter.is_some()),
        ("quote", from.quote.is_some()),
        ("header", !from.header),
        ("columns", from.columns.is_some()),
        ("null_text", from.null_text.is_some()),
        ("encoding", from.encoding.is_some()),
        ("compression", from.compression.is_some()),
        ("format", from.format.is_some()),
    ];
    let mut refuse = |name: &str, needs: &str| {
        surroundings.report.push(Diagnostic::error(
            "conflicting-keys",
            format!("`{name}` belongs to {needs}"),
            from.span,
        ));
    };
    if kind != "file" {
        for (name, _) in settings.iter().filter(|(_, given)| *given) {
            refuse(name, "a source that is a file");
        }
    }
    if kind != "connection" {
        for (name, given) in [
            ("query", from.query.is_some()),
            ("params", !from.params.0.is_empty()),
        ] {
            if given {
                refuse(name, "a source that is a `connection`");
            }
        }
    }
}

/// Takes the records of a source.
#[async_trait]
pub(super) trait Consumer: Send {
    async fn consume(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure>;
}

/// A source that tells how far it is.
pub(super) struct Measured<S> {
    source: S,
    progress: Arc<Progress>,
    /// Bytes read so far, and how many of them were told. Without it the bytes of the cells count.
    read: Option<Arc<AtomicU64>>,
    told: u64,
}

impl<S: RecordSource> Measured<S> {
    pub(super) fn new(source: S, attempt: &AttemptContext, read: Option<Arc<AtomicU64>>) -> Self {
        Self {
            source,
            progress: attempt.progress.clone(),
            read,
            told: 0,
        }
    }
}

#[async_trait]
impl<S: RecordSource> RecordSource for Measured<S> {
    fn columns(&self) -> &Columns {
        self.source.columns()
    }

    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        let batch = self.source.next().await?;
        if let Some(batch) = &batch {
            let bytes = match &self.read {
                Some(read) => {
                    let read = read.load(Ordering::Relaxed);
                    let new = read - self.told;
                    self.told = read;
                    new
                }
                None => batch.bytes() as u64,
            };
            self.progress.add(batch.rows() as u64, bytes);
        }
        Ok(batch)
    }

    fn place(&self, row: u64) -> Option<Place> {
        self.source.place(row)
    }
}
