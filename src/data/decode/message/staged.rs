//! Rows on their way into batches whose columns may become more.

use std::ops::Range;

use serde_json::Value as Json;

use crate::data::ndjson::join_kinds;
use crate::data::{Batch, BatchBuilder, Column, ColumnKind, Columns};

/// Batches with the same columns.
#[derive(Debug)]
pub struct Segment {
    pub columns: Columns,
    pub batches: Vec<Batch>,
}

impl Segment {
    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(Batch::rows).sum()
    }
}

/// A column, as far as it is known.
#[derive(Debug)]
struct Known {
    name: String,
    /// `None` while all of its values are NULL.
    kind: Option<ColumnKind>,
}

/// A value that waits: its column, text and kind.
#[derive(Debug)]
struct Waiting {
    column: usize,
    text: Range<usize>,
    kind: ColumnKind,
}

/// Takes the rows of one message after the other; those of a message all or none.
#[derive(Debug)]
pub(super) struct Stage {
    columns: Vec<Known>,
    /// The columns of `builder`; fewer than `columns` when some are new.
    shape: Columns,
    builder: BatchBuilder,
    batches: Vec<Batch>,
    segments: Vec<Segment>,
    /// The current message.
    text: Vec<u8>,
    values: Vec<Waiting>,
    /// Where each of its rows ends in `values`.
    rows: Vec<usize>,
    /// The values of one row by their columns, as indices into `values`.
    row: Vec<Option<usize>>,
}

impl Stage {
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Self {
        let columns = names.into_iter().map(|name| Known { name, kind: None });
        let columns: Vec<Known> = columns.collect();
        let shape = shape(&columns);
        Self {
            columns,
            builder: BatchBuilder::new(shape.clone()),
            shape,
            batches: Vec::new(),
            segments: Vec::new(),
            text: Vec::new(),
            values: Vec::new(),
            rows: Vec::new(),
            row: Vec::new(),
        }
    }

    /// The number of a column; `near` is where it is looked for first.
    pub(super) fn find(&self, name: &str, near: usize) -> Option<usize> {
        match self.columns.get(near) {
            Some(column) if column.name == name => Some(near),
            _ => self.columns.iter().position(|column| column.name == name),
        }
    }

    /// A new column.
    pub(super) fn add_column(&mut self, name: &str) -> usize {
        self.columns.push(Known {
            name: name.to_owned(),
            kind: None,
        });
        self.columns.len() - 1
    }

    /// Adds a value to the current row.
    pub(super) fn value(&mut self, column: usize, text: &[u8], kind: ColumnKind) {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        self.values.push(Waiting {
            column,
            text: start..self.text.len(),
            kind,
        });
    }

    /// Ends the current row.
    pub(super) fn end_row(&mut self) {
        self.rows.push(self.values.len());
    }

    /// Forgets the current message.
    pub(super) fn forget(&mut self) {
        self.text.clear();
        self.values.clear();
        self.rows.clear();
    }

    /// Takes the current message, and says how many rows it had.
    pub(super) fn accept(&mut self) -> usize {
        self.widen();
        let mut from = 0;
        for &to in &self.rows {
            self.row.clear();
            self.row.resize(self.columns.len(), None);
            for (at, value) in self.values[from..to].iter().enumerate() {
                // Of a doubled key the last one counts, as everywhere in JSON.
                self.row[value.column] = Some(from + at);
            }
            for (column, at) in self.row.iter().enumerate() {
                let Some(at) = at else {
                    self.builder.push(None);
                    continue;
                };
                let value = &self.values[*at];
                let text = &self.text[value.text.clone()];
                if self.shape[column].kind == ColumnKind::Json && value.kind == ColumnKind::Text {
                    let quoted = Json::from(String::from_utf8_lossy(text)).to_string();
                    self.builder.push(Some(quoted.as_bytes()));
                } else {
                    self.builder.push(Some(text));
                }
            }
            from = to;
        }
        let rows = self.rows.len();
        self.forget();
        if self.builder.is_full() {
            self.batches.push(self.builder.take());
        }
        rows
    }

    /// All rows that were accepted since the last time.
    pub(super) fn take(&mut self) -> Vec<Segment> {
        self.end_segment();
        std::mem::take(&mut self.segments)
    }

    /// Begins another segment when the current message needs other columns or wider kinds.
    fn widen(&mut self) {
        let mut changed = self.columns.len() != self.shape.len();
        for value in &self.values {
            let column = &mut self.columns[value.column];
            let kind = match column.kind {
                None => value.kind,
                Some(kind) => join_kinds(kind, value.kind),
            };
            if column.kind != Some(kind) {
                column.kind = Some(kind);
                changed = true;
            }
        }
        if changed {
            self.end_segment();
            self.shape = shape(&self.columns);
            self.builder = BatchBuilder::new(self.shape.clone());
        }
    }

    fn end_segment(&mut self) {
        if !self.builder.is_empty() {
            self.batches.push(self.builder.take());
        }
        if !self.batches.is_empty() {
            self.segments.push(Segment {
                columns: self.shape.clone(),
                batches: std::mem::take(&mut self.batches),
            });
        }
    }
}

fn shape(columns: &[Known]) -> Columns {
    columns
        .iter()
        .map(|column| Column {
            name: column.name.as_str().into(),
            kind: column.kind.unwrap_or(ColumnKind::Text),
        })
        .collect()
}
