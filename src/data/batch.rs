//! A bounded piece of a stream: cells as text, in one buffer.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What the text of a column's cells means. It decides how a cell is written as JSON; a database
/// reads the text by the type of its own column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Characters, and everything without a kind of its own: dates, times, identifiers.
    Text,
    /// A number in JSON's notation, with all its digits.
    Number,
    /// `true` or `false`.
    Boolean,
    /// JSON text.
    Json,
}

/// A column's name and kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    pub name: Arc<str>,
    pub kind: ColumnKind,
}

impl Column {
    /// A column of texts.
    #[must_use]
    pub fn text(name: &str) -> Self {
        Self {
            name: name.into(),
            kind: ColumnKind::Text,
        }
    }
}

/// The columns of a stream, shared by its batches.
pub type Columns = Arc<[Column]>;

/// Marks a cell that is NULL in its end offset.
const NULL: u32 = 1 << 31;
/// A batch's builder is full at this many bytes; a single larger cell makes a larger batch.
const TARGET_BYTES: usize = 256 * 1024;
/// ... or at this many rows.
const TARGET_ROWS: usize = 8192;

/// Rows of cells. A cell is NULL or UTF-8 text.
#[derive(Debug, Clone)]
pub struct Batch {
    columns: Columns,
    bytes: Vec<u8>,
    /// The end of each cell in `bytes`, row by row.
    ends: Vec<u32>,
}

impl Batch {
    /// The columns of every row.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.ends
            .len()
            .checked_div(self.columns.len())
            .unwrap_or_default()
    }

    /// The bytes of all cells together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The cell at `row` and `column`; `None` is NULL.
    ///
    /// # Panics
    /// When `row` or `column` is out of range.
    #[must_use]
    pub fn cell(&self, row: usize, column: usize) -> Option<&[u8]> {
        let at = row * self.columns.len() + column;
        if self.ends[at] & NULL != 0 {
            return None;
        }
        Some(&self.bytes[self.range(at)])
    }

    /// The cells of a row, in the order of the columns.
    pub fn row(&self, row: usize) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.columns.len()).map(move |column| self.cell(row, column))
    }

    /// A row as a JSON object: each cell by its column's kind, numbers with all their digits. A
    /// cell that isn't what its kind says is a text.
    pub fn row_as_json(&self, row: usize) -> serde_json::Map<String, serde_json::Value> {
        self.columns
            .iter()
            .zip(self.row(row))
            .map(|(column, cell)| (column.name.to_string(), cell_as_json(column.kind, cell)))
            .collect()
    }

    fn range(&self, at: usize) -> Range<usize> {
        let start = match at {
            0 => 0,
            _ => (self.ends[at - 1] & !NULL) as usize,
        };
        start..(self.ends[at] & !NULL) as usize
    }
}

fn cell_as_json(kind: ColumnKind, cell: Option<&[u8]>) -> serde_json::Value {
    use serde_json::Value as Json;
    let Some(cell) = cell else {
        return Json::Null;
    };
    let text = || Json::String(String::from_utf8_lossy(cell).into_owned());
    match kind {
        ColumnKind::Text => text(),
        ColumnKind::Number | ColumnKind::Boolean | ColumnKind::Json => {
            serde_json::from_slice(cell).unwrap_or_else(|_| text())
        }
    }
}

/// Fills batches, cell by cell.
#[derive(Debug)]
pub struct BatchBuilder {
    batch: Batch,
}

impl BatchBuilder {
    /// An empty builder.
    #[must_use]
    pub fn new(columns: Columns) -> Self {
        Self {
            batch: Batch {
                columns,
                bytes: Vec::new(),
                ends: Vec::new(),
            },
        }
    }

    /// Adds the next cell of the current row. After the last column the next row begins.
    pub fn push(&mut self, cell: Option<&[u8]>) {
        let bytes = &mut self.batch.bytes;
        let null = match cell {
            Some(cell) => {
                bytes.extend_from_slice(cell);
                0
            }
            None => NULL,
        };
        // A batch is emitted long before 2 GiB: see `is_full`.
        let end = u32::try_from(bytes.len()).unwrap_or(!NULL) & !NULL;
        self.batch.ends.push(end | null);
    }

    /// Whether it is time to [`take`](Self::take) the batch; only meaningful between rows.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.batch.bytes.len() >= TARGET_BYTES || self.batch.rows() >= TARGET_ROWS
    }

    /// The rows added since the last batch.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batch.rows()
    }

    /// Whether no row was added since the last batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.ends.is_empty()
    }

    /// The rows so far as a batch; the builder starts anew.
    pub fn take(&mut self) -> Batch {
        let columns = self.batch.columns.clone();
        let (bytes, ends) = (self.batch.bytes.capacity(), self.batch.ends.capacity());
        std::mem::replace(
            &mut self.batch,
            Batch {
                columns,
                bytes: Vec::with_capacity(bytes),
                ends: Vec::with_capacity(ends),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_as_they_went_in() {
        let columns: Columns = [Column::text("a"), Column::text("b")].into();
        let mut builder = BatchBuilder::new(columns);
        for cell in [Some("x"), None, Some(""), Some("yz")] {
            builder.push(cell.map(str::as_bytes));
        }
        let batch = builder.take();
        assert!(builder.is_empty());
        assert_eq!(batch.rows(), 2);
        let cells: Vec<_> = (0..2).flat_map(|row| batch.row(row)).collect();
        assert_eq!(
            cells,
            [Some(&b"x"[..]), None, Some(&b""[..]), Some(&b"yz"[..])]
        );
    }
}
