//! Files to read: how they are written down, and what they are.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use encoding_rs::{Encoding, UTF_8};
use schemars::Schema;
use serde_json::Value as Json;
use tokio::task::spawn_blocking;

use super::columns::Mapping;
use super::flow::{Consumer, Measured};
use super::source::Source;
use crate::connection::Bucket;
use crate::data::csv::CsvDialect;
use crate::data::{
    Compression, FileSource, FileStore, Format, InputFile, InputFiles, LocalFiles, Reading,
    Rejects, Unpacking, find_files, is_pattern,
};
use crate::document::{Diagnostic, FromNode as _, Spanned, nearest};
use crate::model::ConnectionId;
use crate::task::{AttemptContext, Surroundings, TaskFailure};
use crate::template::Template;

crate::record! {
    /// How files are written down.
    pub(super) struct Spelling as "a file" {
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

impl Spelling {
    /// The schema of a source that has these keys beside its own.
    pub(super) fn beside(mut own: Schema) -> Schema {
        let spelling = Self::schema();
        if let (Some(Json::Object(own)), Some(Json::Object(keys))) = (
            own.ensure_object().get_mut("properties"),
            spelling.get("properties"),
        ) {
            own.extend(keys.clone());
        }
        own
    }
}

/// Files that are read.
#[derive(Debug)]
pub(super) struct Files {
    /// Where they are; in the project when left out.
    bucket: Option<ConnectionId>,
    path: Template,
    format: Option<Format>,
    compression: Option<Compression>,
    encoding: &'static Encoding,
    pub(super) dialect: CsvDialect,
}

/// Files that were found.
pub(super) struct Found {
    pub(super) files: InputFiles,
    pub(super) format: Format,
    /// Counts the bytes that were read from them.
    pub(super) bytes_read: Arc<AtomicU64>,
    /// Bytes of all of them.
    pub(super) total: u64,
}

impl Files {
    /// Checks a path and how its files are written down.
    pub(super) fn read(
        file: &Spanned<String>,
        bucket: Option<ConnectionId>,
        spelling: &Spelling,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Self> {
        let path = surroundings.template(file);
        if bucket.is_none() && path.as_ref().is_some_and(Template::is_literal) {
            check_existence(file, surroundings);
        }
        let format = spelling.format.or_else(|| format_of(file));
        if format.is_none() && path.as_ref().is_some_and(Template::is_literal) {
            surroundings.report.push(
                Diagnostic::error(
                    "unknown-format",
                    format!("the extension of `{}` doesn't say its format", file.value),
                    file.span,
                )
                .help("add `format: csv` or `format: ndjson`"),
            );
        }
        let mut dialect = CsvDialect {
            header: spelling.header,
            null: spelling.null_text.clone().unwrap_or_default(),
            columns: spelling.columns.clone(),
            ..CsvDialect::default()
        };
        let mut valid = path.is_some();
        for (setting, byte) in [
            (&spelling.delimiter, &mut dialect.delimiter),
            (&spelling.quote, &mut dialect.quote),
        ] {
            if let Some(text) = setting {
                match character(text, surroundings) {
                    Some(read) => *byte = read,
                    None => valid = false,
                }
            }
        }
        if dialect.delimiter == dialect.quote
            && let Some(text) = spelling.delimiter.as_ref().or(spelling.quote.as_ref())
        {
            surroundings.report.push(Diagnostic::error(
                "invalid-value",
                "the delimiter and the quote are the same character",
                text.span,
            ));
        }
        if !dialect.header && dialect.columns.is_none() && format == Some(Format::Csv) {
            surroundings.report.push(
                Diagnostic::error(
                    "missing-key",
                    "a file without a header needs `columns`, the names of its columns",
                    spelling.span,
                )
                .label("add `columns: [a, b]`"),
            );
        }
        let encoding = match &spelling.encoding {
            Some(label) => Encoding::for_label(label.as_bytes()).or_else(|| {
                surroundings.report.push(
                    Diagnostic::error(
                        "unknown-value",
                        format!("unknown encoding `{}`", label.value),
                        label.span,
                    )
                    .suggest(
                        label,
                        [
                            "utf-8",
                            "utf-16le",
                            "utf-16be",
                            "latin1",
                            "windows-1252",
                            "windows-1251",
                            "iso-8859-2",
                            "iso-8859-15",
                            "shift_jis",
                            "euc-kr",
                            "gb18030",
                            "big5",
                        ],
                        "encoding",
                    ),
                );
                None
            })?,
            None => UTF_8,
        };
        valid.then_some(Self {
            bucket,
            path: path?,
            format,
            compression: spelling.compression,
            encoding,
            dialect,
        })
    }

    /// Finds the files.
    pub(super) async fn find(&self, attempt: &AttemptContext) -> Result<Found, TaskFailure> {
        let pattern = self.path.render(&attempt.scope)?;
        let (store, files, total) = match &self.bucket {
            None => in_project(&attempt.places.root, &pattern)?,
            Some(connection) => {
                let bucket = attempt.connections.bucket(connection.as_str());
                let bucket = bucket.ok_or_else(|| {
                    TaskFailure::permanent(format!("connection `{connection}` is no bucket"))
                })?;
                let pattern = pattern.clone();
                spawn_blocking(move || in_bucket(bucket, &pattern))
                    .await
                    .map_err(|error| TaskFailure::retryable(error.to_string()))??
            }
        };
        if files.is_empty() {
            return Err(TaskFailure::retryable(format!(
                "no file matches `{pattern}`"
            )));
        }
        let format = self
            .format
            .or_else(|| Format::of(&files[0].path))
            .ok_or_else(|| {
                TaskFailure::permanent(format!(
                    "the extension of `{pattern}` doesn't say its format: add `format: csv` or `format: ndjson`"
                ))
            })?;
        let bytes_read = Arc::new(AtomicU64::new(0));
        attempt.log.info(match files.as_slice() {
            [file] => format!("reading `{}` ({total} bytes)", file.shown.display()),
            files => format!("reading {} files `{pattern}` ({total} bytes)", files.len()),
        });
        attempt.progress.expect_bytes(total);
        Ok(Found {
            files: InputFiles {
                store,
                files,
                unpacking: Unpacking {
                    compression: self.compression,
                    encoding: self.encoding,
                    bytes_read: bytes_read.clone(),
                },
            },
            format,
            bytes_read,
            total,
        })
    }
}

/// Where files are, which they are, and their bytes.
type Listed = (Arc<dyn FileStore>, Vec<InputFile>, u64);

fn in_project(root: &Path, pattern: &str) -> Result<Listed, TaskFailure> {
    let files = find_files(root, pattern).map_err(|message| {
        TaskFailure::permanent(format!("`{pattern}` is no pattern of files: {message}"))
    })?;
    let total = files
        .iter()
        .filter_map(|file| std::fs::metadata(&file.path).ok())
        .map(|metadata| metadata.len())
        .sum();
    Ok((Arc::new(LocalFiles), files, total))
}

fn in_bucket(bucket: Arc<dyn Bucket>, pattern: &str) -> Result<Listed, TaskFailure> {
    let found = bucket.list(pattern)?;
    let total = found.iter().map(|file| file.bytes).sum();
    let files = found
        .into_iter()
        .map(|file| InputFile {
            shown: bucket.shown(&file.path).into(),
            path: file.path.into(),
        })
        .collect();
    Ok((bucket, files, total))
}

#[async_trait]
impl Source for Files {
    fn connection(&self) -> Option<&str> {
        self.bucket.as_ref().map(ConnectionId::as_str)
    }

    async fn read_into(
        &self,
        attempt: &AttemptContext,
        mapping: &Mapping,
        rejects: Option<&Rejects>,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure> {
        let Found {
            files: found,
            format,
            bytes_read,
            ..
        } = self.find(attempt).await?;
        let reading = match format {
            Format::Csv => Reading::Csv(self.dialect.clone()),
            Format::Ndjson => Reading::Ndjson(mapping.wanted()),
        };
        let source = FileSource::open(found, reading, rejects.cloned()).await?;
        let mut source = Measured::new(source, attempt, Some(bytes_read.clone()));
        consumer.consume(&mut source).await?;
        Ok(bytes_read.load(Ordering::Relaxed))
    }

    fn as_files(&self) -> Option<&Files> {
        Some(self)
    }
}

/// The format that a path or a pattern says.
fn format_of(path: &str) -> Option<Format> {
    Format::of(Path::new(path))
}

/// A file that no earlier task can make has to be there.
fn check_existence(file: &Spanned<String>, surroundings: &mut Surroundings<'_>) {
    if is_pattern(file) || surroundings.project.exists(Path::new(&file.value)) {
        return;
    }
    let siblings = surroundings.project.siblings(Path::new(&file.value));
    let near = nearest(file, siblings.iter().map(String::as_str)).map(str::to_owned);
    let message = format!("file `{}` doesn't exist", file.value);
    let made_before = !surroundings.graph.upstream().is_empty();
    let diagnostic = match (made_before, near) {
        (false, Some(near)) => Diagnostic::error("missing-file", message, file.span)
            .label(format!("did you mean `{near}`?")),
        (false, None) => Diagnostic::error("missing-file", message, file.span)
            .help("paths are relative to the folder of runner.yaml"),
        (true, Some(near)) => Diagnostic::warning("missing-file", message, file.span)
            .label(format!("did you mean `{near}`?"))
            .help("an earlier task may make it"),
        (true, None) => return,
    };
    surroundings.report.push(diagnostic);
}

fn character(text: &Spanned<String>, surroundings: &mut Surroundings<'_>) -> Option<u8> {
    let byte = match text.value.as_str() {
        "tab" | "\\t" => Some(b'\t'),
        other => match other.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Some(*byte),
            _ => None,
        },
    };
    if byte.is_none() {
        surroundings.report.push(
            Diagnostic::error(
                "invalid-value",
                format!("`{}` is not one ASCII character", text.value),
                text.span,
            )
            .label("expected a character such as `;`, or `tab`"),
        );
    }
    byte
}
