//! The records that a task leaves with its run, as NDJSON files beside the state store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::ndjson::{NdjsonParser, Wanted};
use super::sink::{FileSink, Format, Written};
use super::thread::ThreadSource;
use super::{
    Batch, Column, ColumnKind, Columns, Compression, DataError, InputFile, InputFiles, LocalFiles,
    Place, RecordSource, Unpacking,
};

/// A finished dataset: where it is and what it holds. The store keeps it as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetInfo {
    /// The file, relative to the project's state folder (`.runner/`).
    pub path: PathBuf,
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    pub columns: Vec<Column>,
}

/// Whose dataset it is. Attempts of one generation write the same file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatasetName<'a> {
    pub run: &'a str,
    pub task: &'a str,
    /// The item of a `foreach`.
    pub item: Option<u32>,
    pub generation: u32,
}

impl DatasetName<'_> {
    /// `data/<run>/<task>[.<item>].<generation>.ndjson`, in the state folder.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let Self {
            run,
            task,
            item,
            generation,
        } = self;
        let item = item.map_or_else(String::new, |item| format!(".{item}"));
        PathBuf::from(format!("data/{run}/{task}{item}.{generation}.ndjson"))
    }
}

/// Writes a dataset. Dropped before [`finish`](Self::finish), it leaves nothing.
pub struct DatasetWriter {
    path: PathBuf,
    columns: Columns,
    sink: FileSink,
}

impl DatasetWriter {
    /// Begins a dataset in the state folder.
    ///
    /// # Errors
    /// The file can't be made; two columns have the same name.
    pub async fn create(
        state: &Path,
        name: DatasetName<'_>,
        columns: Columns,
    ) -> Result<Self, DataError> {
        let path = name.path();
        let sink = FileSink::create(
            state.join(&path),
            Format::Ndjson,
            Compression::None,
            columns.clone(),
        )
        .await?;
        Ok(Self {
            path,
            columns,
            sink,
        })
    }

    /// Adds the rows of a batch. A write that fails is told now or at one of the next calls.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub async fn write(&mut self, batch: Batch) -> Result<(), DataError> {
        self.sink.write(batch).await
    }

    /// Makes the dataset durable.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub async fn finish(self) -> Result<DatasetInfo, DataError> {
        let Written { rows, bytes } = self.sink.finish().await?;
        Ok(DatasetInfo {
            path: self.path,
            rows,
            bytes,
            columns: self.columns.to_vec(),
        })
    }
}

/// Reads datasets, one after the other: all items of a `foreach` are one stream.
pub struct DatasetReader {
    source: ThreadSource,
}

impl DatasetReader {
    /// Opens datasets of a state folder. They may differ in their columns: a column that one lacks
    /// is NULL there.
    ///
    /// # Errors
    /// A file can't be opened.
    pub async fn open(state: &Path, datasets: &[DatasetInfo]) -> Result<Self, DataError> {
        let columns = union(datasets);
        for dataset in datasets {
            if let Ok(false) = tokio::fs::try_exists(state.join(&dataset.path)).await {
                return Err(gone(&dataset.path));
            }
        }
        let files = datasets
            .iter()
            .map(|dataset| InputFile {
                path: state.join(&dataset.path),
                shown: dataset.path.clone(),
            })
            .collect();
        let files = InputFiles {
            store: Arc::new(LocalFiles),
            files,
            unpacking: Unpacking::default(),
        };
        let source = ThreadSource::open(None, move || {
            NdjsonParser::open(files, Wanted::Columns(columns))
        });
        Ok(Self {
            source: source.await?,
        })
    }
}

/// What is said of a file that was there: nothing but retention, or a person, removes one.
fn gone(path: &Path) -> DataError {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let task = name.as_deref().and_then(|name| name.split('.').next());
    let run = path.parent().and_then(Path::file_name);
    let run = run.map(|run| run.to_string_lossy());
    let (task, run) = (task.unwrap_or("TASK"), run.as_deref().unwrap_or("RUN"));
    DataError::Source {
        message: format!(
            "the dataset of `{task}` in run {run} isn't kept any more (`retention`): `runner retry \
             {run} {task}` makes it again"
        ),
        retryable: false,
    }
}

fn union(datasets: &[DatasetInfo]) -> Columns {
    let mut columns: Vec<Column> = Vec::new();
    for column in datasets.iter().flat_map(|dataset| &dataset.columns) {
        match columns.iter_mut().find(|known| known.name == column.name) {
            Some(known) if known.kind != column.kind => known.kind = ColumnKind::Text,
            Some(_) => {}
            None => columns.push(column.clone()),
        }
    }
    columns.into()
}

#[async_trait]
impl RecordSource for DatasetReader {
    fn columns(&self) -> &Columns {
        self.source.columns()
    }
    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        self.source.next().await
    }
    fn place(&self, row: u64) -> Option<Place> {
        self.source.place(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BatchBuilder;

    fn columns() -> Columns {
        use ColumnKind::{Boolean, Json, Number, Text};
        [
            ("text", Text),
            ("number", Number),
            ("yes", Boolean),
            ("json", Json),
        ]
        .map(|(name, kind)| Column {
            name: name.into(),
            kind,
        })
        .into()
    }

    const ROWS: &[[Option<&str>; 4]] = &[
        [
            Some("a\n\"b\""),
            Some("1.2300"),
            Some("true"),
            Some(r#"{"a": 1.0}"#),
        ],
        [None, None, None, None],
        [Some(""), Some("-0.10e5"), Some("false"), Some(r#""text""#)],
        [
            Some("null"),
            Some("123456789012345678901234567890.5"),
            None,
            Some("[1]"),
        ],
    ];

    fn batch() -> Batch {
        let mut builder = BatchBuilder::new(columns());
        for cell in ROWS.iter().flatten() {
            builder.push(cell.map(str::as_bytes));
        }
        builder.take()
    }

    async fn write(state: &Path, item: Option<u32>) -> DatasetInfo {
        let name = DatasetName {
            run: "r",
            task: "t",
            item,
            generation: 2,
        };
        let mut writer = DatasetWriter::create(state, name, columns()).await.unwrap();
        writer.write(batch()).await.unwrap();
        writer.finish().await.unwrap()
    }

    async fn read(source: &mut dyn RecordSource) -> Vec<Vec<Option<String>>> {
        let mut rows = Vec::new();
        while let Some(batch) = source.next().await.unwrap() {
            for row in 0..batch.rows() {
                let text = |cell: Option<&[u8]>| {
                    cell.map(|cell| String::from_utf8(cell.to_vec()).unwrap())
                };
                rows.push(batch.row(row).map(text).collect());
            }
        }
        rows
    }

    #[tokio::test]
    async fn a_dataset_comes_back_as_it_was() {
        let state = tempfile::tempdir().unwrap();
        let first = write(state.path(), Some(0)).await;
        let second = write(state.path(), Some(1)).await;
        assert_eq!(first.path, Path::new("data/r/t.0.2.ndjson"));
        assert_eq!(first.rows, 4);
        let mut reader = DatasetReader::open(state.path(), &[first, second])
            .await
            .unwrap();
        assert_eq!(reader.columns(), &columns());
        let expected: Vec<Vec<Option<String>>> = [ROWS, ROWS]
            .concat()
            .iter()
            .map(|row| row.iter().map(|cell| cell.map(str::to_owned)).collect())
            .collect();
        assert_eq!(read(&mut reader).await, expected);
        let place = reader.place(6).unwrap();
        assert_eq!(
            (place.file.to_str(), place.line),
            (Some("data/r/t.1.2.ndjson"), 3)
        );
    }

    #[test]
    fn a_dropped_writer_leaves_nothing() {
        let state = tempfile::tempdir().unwrap();
        let name = DatasetName {
            run: "r",
            task: "t",
            item: None,
            generation: 1,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut writer = DatasetWriter::create(state.path(), name, columns())
                .await
                .unwrap();
            writer.write(batch()).await.unwrap();
        });
        // Waits for the writing thread.
        drop(runtime);
        assert_eq!(
            std::fs::read_dir(state.path().join("data/r"))
                .unwrap()
                .count(),
            0
        );
    }

    #[tokio::test]
    async fn two_columns_of_one_name_are_refused() {
        let state = tempfile::tempdir().unwrap();
        let name = DatasetName {
            run: "r",
            task: "t",
            item: None,
            generation: 1,
        };
        let columns: Columns = [Column::text("a"), Column::text("a")].into();
        let error = DatasetWriter::create(state.path(), name, columns).await;
        assert!(
            error
                .err()
                .unwrap()
                .to_string()
                .contains("two columns are named `a`")
        );
    }

    #[tokio::test]
    async fn a_dataset_that_is_gone_says_who_took_it_and_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let name = DatasetName {
            run: "1m7za09erg3z2w04m",
            task: "fetch",
            item: Some(3),
            generation: 2,
        };
        let dataset = DatasetInfo {
            path: name.path(),
            rows: 1,
            bytes: 2,
            columns: columns().to_vec(),
        };
        let opened = DatasetReader::open(folder.path(), &[dataset]).await;
        let Err(error) = opened.map(drop) else {
            panic!("it is there");
        };
        assert_eq!(
            error.to_string(),
            "the dataset of `fetch` in run 1m7za09erg3z2w04m isn't kept any more (`retention`): \
             `runner retry 1m7za09erg3z2w04m fetch` makes it again"
        );
    }
}
