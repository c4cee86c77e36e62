//! Rows as CSV.

use crate::data::{Batch, Columns};

/// Appends the rows of a batch to a buffer: fields parted by commas, records ended by LF. A field is quoted when
/// it holds a comma, a quote or a line end, and when it is empty without being NULL, byte for
/// byte as PostgreSQL's COPY does it.
pub fn encode_batch(batch: &Batch, buffer: &mut Vec<u8>) {
    for row in 0..batch.rows() {
        encode_row(batch, row, buffer);
    }
}

/// Appends one row of a batch, as [`encode_batch`] does.
pub fn encode_row(batch: &Batch, row: usize, buffer: &mut Vec<u8>) {
    record(batch.row(row), batch.columns().len(), buffer);
}

/// Appends the names of the columns as a record.
pub fn encode_header(columns: &Columns, buffer: &mut Vec<u8>) {
    let cells = columns.iter().map(|column| Some(column.name.as_bytes()));
    record(cells, columns.len(), buffer);
}

fn record<'a>(cells: impl Iterator<Item = Option<&'a [u8]>>, count: usize, buffer: &mut Vec<u8>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            buffer.push(b',');
        }
        // NULL is nothing at all. A lone `\.` is PostgreSQL's end of data.
        let Some(cell) = cell else { continue };
        let quoted = cell.is_empty()
            || (count == 1 && cell == b"\\.")
            || memchr::memchr3(b'"', b',', b'\n', cell).is_some()
            || memchr::memchr(b'\r', cell).is_some();
        if !quoted {
            buffer.extend_from_slice(cell);
            continue;
        }
        buffer.push(b'"');
        let mut from = 0;
        for quote in memchr::memchr_iter(b'"', cell) {
            buffer.extend_from_slice(&cell[from..=quote]);
            buffer.push(b'"');
            from = quote + 1;
        }
        buffer.extend_from_slice(&cell[from..]);
        buffer.push(b'"');
    }
    buffer.push(b'\n');
}
