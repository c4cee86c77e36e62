//! Rows in COPY's text format.

use std::ops::Range;

use crate::data::Batch;

/// Appends rows of a batch.
pub(super) fn encode(batch: &Batch, rows: Range<usize>, buffer: &mut Vec<u8>) {
    for row in rows {
        for (index, cell) in batch.row(row).enumerate() {
            if index > 0 {
                buffer.push(b'\t');
            }
            match cell {
                Some(cell) => push(cell, buffer),
                None => buffer.extend_from_slice(b"\\N"),
            }
        }
        buffer.push(b'\n');
    }
}

/// Most cells hold nothing to escape and are taken whole.
fn push(cell: &[u8], buffer: &mut Vec<u8>) {
    let mut rest = cell;
    while let Some(at) = rest.iter().position(|byte| SPECIAL[usize::from(*byte)]) {
        buffer.extend_from_slice(&rest[..at]);
        buffer.push(b'\\');
        buffer.push(match rest[at] {
            b'\t' => b't',
            b'\n' => b'n',
            b'\r' => b'r',
            byte => byte,
        });
        rest = &rest[at + 1..];
    }
    buffer.extend_from_slice(rest);
}

const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    special[b'\\' as usize] = true;
    special[b'\t' as usize] = true;
    special[b'\n' as usize] = true;
    special[b'\r' as usize] = true;
    special
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{BatchBuilder, Column};

    #[test]
    fn cells_are_escaped() {
        let mut builder = BatchBuilder::new([Column::text("a"), Column::text("b")].into());
        for cell in [
            Some("x\ty\\z"),
            None,
            Some(""),
            Some("\r\n"),
            Some("é\\."),
            Some("N"),
        ] {
            builder.push(cell.map(str::as_bytes));
        }
        let mut text = Vec::new();
        encode(&builder.take(), 0..3, &mut text);
        let expected = "x\\ty\\\\z\t\\N\n\t\\r\\n\né\\\\.\tN\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
