//! How records are written in a body or a message.

use crate::data::Columns;
use crate::data::csv::CsvDialect;
use crate::data::json::RecordsPath;
use crate::data::ndjson::Wanted;

crate::choice! {
    /// How records are written in a body or a message.
    pub enum Notation as "format" {
        /// A JSON document.
        Json = "json",
        /// A JSON value a line.
        Ndjson = "ndjson",
        /// Comma-separated values.
        Csv = "csv",
        /// Text: a record a line, in column `value`.
        Text = "text",
        /// Bytes: one record, in column `value`, as PostgreSQL writes a `bytea` (`\x48656c6c6f`).
        Raw = "raw",
    }
}

impl Notation {
    /// What the header `Content-Type` says (RFC 9110), without looking at its parameters; `None`
    /// when it is no kind of text that has records in it.
    #[must_use]
    pub fn of_content_type(header: &str) -> Option<Self> {
        let kind = header.split(';').next().unwrap_or_default().trim();
        match &*kind.to_ascii_lowercase() {
            "application/json" | "text/json" => Some(Self::Json),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/jsonlines"
            | "application/json-lines"
            | "application/json-seq" => Some(Self::Ndjson),
            "text/csv" | "application/csv" => Some(Self::Csv),
            "text/plain" => Some(Self::Text),
            other if other.ends_with("+json") => Some(Self::Json),
            _ => None,
        }
    }
}

/// How documents become records. All documents of a stream have the same columns.
#[derive(Debug, Clone)]
pub struct Decoding {
    /// Where the records are in a JSON document.
    pub records: RecordsPath,
    /// Which columns there are. Records that are arrays have the columns `0`, `1` …, other values
    /// that are no objects the column `value`.
    pub wanted: Wanted,
    /// How CSV is written.
    pub csv: CsvDialect,
    /// Columns behind those of the records; each document brings their values.
    pub extra: Columns,
    /// How many bytes of a JSON document beside its records are kept at most.
    pub beside: usize,
}

impl Decoding {
    /// All columns of the records that a path leads to.
    #[must_use]
    pub fn of(records: RecordsPath, wanted: Wanted) -> Self {
        Self {
            records,
            wanted,
            csv: CsvDialect::default(),
            extra: Columns::default(),
            beside: 0,
        }
    }
}
