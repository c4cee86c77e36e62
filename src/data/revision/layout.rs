//! How rows become bytes of a file, and what tells rows apart.

use super::apply::FileMode;
use crate::data::ndjson::NdjsonEncoder;
use crate::data::sink::refuse_doubles;
use crate::data::{Batch, Columns, Compression, DataError, Format, csv};
use crate::document::nearest;

/// How a stream's rows are kept in files.
#[derive(Debug)]
pub struct Layout {
    pub columns: Columns,
    pub format: Format,
    pub compression: Compression,
    pub mode: FileMode,
    /// For [`FileMode::Upsert`]: the columns whose values tell rows apart.
    pub(super) key: Vec<usize>,
    encoder: NdjsonEncoder,
}

impl Layout {
    /// Checks that the columns can be kept so.
    ///
    /// # Errors
    /// Two columns have the same name, which JSON can't hold; there is no such key.
    pub fn new(
        columns: Columns,
        format: Format,
        compression: Compression,
        mode: FileMode,
        key: &[String],
    ) -> Result<Self, DataError> {
        if format == Format::Ndjson {
            refuse_doubles(&columns)?;
        }
        let find = |name: &String| {
            let mut names = columns.iter().map(|column| &*column.name);
            let found = names.position(|column| column == name);
            found.ok_or_else(|| {
                let names = columns.iter().map(|column| &*column.name);
                let hint = match nearest(name, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("they have {}", csv::list(&columns)),
                };
                DataError::Source {
                    message: format!("`key`: the records have no `{name}`: {hint}"),
                    retryable: false,
                }
            })
        };
        let key = key.iter().map(find).collect::<Result<_, _>>()?;
        Ok(Self {
            encoder: NdjsonEncoder::new(&columns),
            columns,
            format,
            compression,
            mode,
            key,
        })
    }

    /// Appends a row as a [`Revision`](super::Revision) wants it: its text, with its key before it for an upsert.
    #[inline]
    pub fn encode(&self, batch: &Batch, row: usize, buffer: &mut Vec<u8>) {
        if self.mode != FileMode::Upsert {
            return self.encode_text(batch, row, buffer);
        }
        let start = buffer.len();
        buffer.extend_from_slice(&[0; 8]);
        push_key(self.key.iter().map(|at| batch.cell(row, *at)), buffer);
        let middle = buffer.len();
        self.encode_text(batch, row, buffer);
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
        let (key, text) = (length(middle - start - 8), length(buffer.len() - middle));
        buffer[start..start + 4].copy_from_slice(&key);
        buffer[start + 4..start + 8].copy_from_slice(&text);
    }

    fn encode_text(&self, batch: &Batch, row: usize, buffer: &mut Vec<u8>) {
        match self.format {
            Format::Csv => csv::encode_row(batch, row, buffer),
            Format::Ndjson => {
                self.encoder.encode_row(batch, row, buffer);
                buffer.push(b'\n');
            }
        }
    }

    /// What a file begins with.
    pub(super) fn header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        if self.format == Format::Csv {
            csv::encode_header(&self.columns, &mut header);
        }
        header
    }
}

/// Appends the cells of a key so that different keys have different bytes. NULL is a value.
pub(super) fn push_key<'a>(cells: impl Iterator<Item = Option<&'a [u8]>>, key: &mut Vec<u8>) {
    for cell in cells {
        match cell {
            None => key.push(0),
            Some(cell) => {
                key.push(1);
                let length = u32::try_from(cell.len()).unwrap_or(u32::MAX);
                key.extend_from_slice(&length.to_le_bytes());
                key.extend_from_slice(cell);
            }
        }
    }
}
