//! Rows as JSON objects, one a line.

use serde_json::value::RawValue;

use super::is_number;
use crate::data::{Batch, ColumnKind, Columns};

/// Appends rows to a buffer.
#[derive(Debug)]
pub struct NdjsonEncoder {
    /// `{"name":` of the first column, `,"name":` of the others.
    keys: Vec<Vec<u8>>,
    kinds: Vec<ColumnKind>,
}

impl NdjsonEncoder {
    /// An encoder of rows with these columns.
    #[must_use]
    pub fn new(columns: &Columns) -> Self {
        let key = |(at, name): (usize, &str)| {
            let mut key = vec![if at == 0 { b'{' } else { b',' }];
            push_text(&mut key, name);
            key.push(b':');
            key
        };
        Self {
            keys: columns
                .iter()
                .map(|column| &*column.name)
                .enumerate()
                .map(key)
                .collect(),
            kinds: columns.iter().map(|column| column.kind).collect(),
        }
    }

    /// Appends the lines of a batch.
    pub fn encode(&self, batch: &Batch, buffer: &mut Vec<u8>) {
        for row in 0..batch.rows() {
            self.encode_row(batch, row, buffer);
            buffer.push(b'\n');
        }
    }

    /// Appends a row, without an end of line.
    pub fn encode_row(&self, batch: &Batch, row: usize, buffer: &mut Vec<u8>) {
        for ((key, kind), cell) in self.keys.iter().zip(&self.kinds).zip(batch.row(row)) {
            buffer.extend_from_slice(key);
            match cell {
                Some(cell) => push_cell(buffer, *kind, cell),
                None => buffer.extend_from_slice(b"null"),
            }
        }
        buffer.push(b'}');
    }
}

/// A cell that isn't what its kind says (PostgreSQL's `NaN` among numbers) becomes a text.
fn push_cell(buffer: &mut Vec<u8>, kind: ColumnKind, cell: &[u8]) {
    let plain = match kind {
        ColumnKind::Text => false,
        ColumnKind::Number => is_number(cell),
        ColumnKind::Boolean => matches!(cell, b"true" | b"false"),
        ColumnKind::Json => {
            if serde_json::from_slice::<&RawValue>(cell).is_ok() {
                push_one_line(buffer, cell);
                return;
            }
            false
        }
    };
    if plain {
        buffer.extend_from_slice(cell);
    } else {
        push_text(buffer, &String::from_utf8_lossy(cell));
    }
}

/// Valid JSON has line breaks only between its values, where a space does as well.
fn push_one_line(buffer: &mut Vec<u8>, json: &[u8]) {
    let start = buffer.len();
    buffer.extend_from_slice(json);
    for byte in &mut buffer[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

fn push_text(buffer: &mut Vec<u8>, text: &str) {
    // Writing to memory doesn't fail.
    let _ = serde_json::to_writer(buffer, text);
}
