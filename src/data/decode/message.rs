//! Single messages as rows.

use super::notation::Notation;
use super::row::RowDecoder;
use crate::data::csv::{CsvDialect, Records, Trouble as CsvTrouble, fields_text};
use crate::data::json::checked;
use crate::data::ndjson::Wanted;
use crate::data::{BatchBuilder, Column, Columns};

/// Makes a row of each message. All rows have the same columns: those asked for, or those of the
/// messages that were [observed](Self::observe) first.
pub struct MessageDecoder {
    notation: Notation,
    csv: CsvDialect,
    rows: RowDecoder,
    fields: Columns,
}

impl MessageDecoder {
    /// A decoder of messages. CSV needs the names of its columns in the dialect; `extra` are
    /// columns behind those of the message, whose values come with each of them.
    #[must_use]
    pub fn new(notation: Notation, wanted: Wanted, csv: CsvDialect, extra: Columns) -> Self {
        let mut rows = RowDecoder::new(wanted, extra);
        let fields: Columns = match notation {
            Notation::Json | Notation::Ndjson => Columns::default(),
            Notation::Csv => {
                let names = csv.columns.iter().flatten();
                names.map(|name| Column::text(name)).collect()
            }
            Notation::Text | Notation::Raw => [Column::text("value")].into(),
        };
        if !fields.is_empty() && rows.columns().is_none() {
            rows.settle_as(fields.to_vec(), false);
        }
        Self {
            notation,
            csv: CsvDialect {
                header: false,
                ..csv
            },
            rows,
            fields,
        }
    }

    /// Looks at one of the first messages, to know their columns. One that is broken says nothing.
    pub fn observe(&mut self, message: &[u8]) {
        if let (None, Notation::Json | Notation::Ndjson) = (self.rows.columns(), self.notation)
            && let Ok(Some(record)) = checked(message)
        {
            self.rows.observe(record);
        }
    }

    /// The columns of all rows, which are settled from now on.
    pub fn columns(&mut self) -> Columns {
        self.rows.settle();
        self.rows.columns().cloned().unwrap_or_default()
    }

    /// Adds the row of a message and the values of the extra columns.
    ///
    /// # Errors
    /// Why the message doesn't fit, without its place; nothing was added.
    pub fn decode(
        &mut self,
        message: &[u8],
        extra: &[Option<Vec<u8>>],
        builder: &mut BatchBuilder,
    ) -> Result<(), String> {
        match self.notation {
            Notation::Json | Notation::Ndjson => match checked(message)? {
                Some(record) => self.rows.decode(record, extra, builder),
                None => Err("it is `null`, not a record".to_owned()),
            },
            Notation::Csv => {
                let mut records = Records::new(message, &self.csv);
                match records.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => return Err("it is empty".to_owned()),
                    Err(CsvTrouble::Read(error)) => return Err(error.to_string()),
                    Err(CsvTrouble::Record(reason) | CsvTrouble::Lost(reason)) => {
                        return Err(reason.to_owned());
                    }
                }
                if records.width() != self.fields.len() {
                    return Err(format!(
                        "{}, expected {}",
                        fields_text(records.width()),
                        self.fields.len()
                    ));
                }
                if std::str::from_utf8(records.bytes()).is_err() {
                    return Err("it isn't UTF-8".to_owned());
                }
                let fields = records.fields();
                self.rows.push_fields(&self.fields, fields, extra, builder);
                Ok(())
            }
            Notation::Text => {
                if std::str::from_utf8(message).is_err() {
                    return Err("it isn't UTF-8: `format: raw` takes any bytes".to_owned());
                }
                let field = std::iter::once(Some(message));
                self.rows.push_fields(&self.fields, field, extra, builder);
                Ok(())
            }
            Notation::Raw => {
                let value = hexadecimal(message);
                let field = std::iter::once(Some(&*value));
                self.rows.push_fields(&self.fields, field, extra, builder);
                Ok(())
            }
        }
    }
}

/// Bytes as PostgreSQL writes a `bytea`.
pub(super) fn hexadecimal(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(2 + 2 * bytes.len());
    text.extend_from_slice(b"\\x");
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}
