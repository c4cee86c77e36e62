//! Rows that a task has left, as a server sends them: CSV, where nothing at all is NULL.

use serde::Deserialize;
use serde_json::Value as Json;

use super::{Pieces, Refusal, Server};
use crate::data::{Batch, BatchBuilder, Column, Columns};
use crate::model::RunId;

/// Which rows.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub run: &'a RunId,
    pub task: &'a str,
    /// Only this item's.
    pub item: Option<u32>,
}

/// Rows that come in.
#[derive(Debug)]
pub struct Rows<'a> {
    pieces: Pieces<'a>,
    columns: Columns,
    records: Records,
    /// Records that are still the header.
    head: usize,
    is_over: bool,
}

/// What is told of the rows before they come.
#[derive(Debug, Deserialize)]
struct Told {
    columns: Vec<Column>,
    total: u64,
}

impl Server {
    /// How many rows there are, and their columns.
    ///
    /// # Errors
    /// There are none; [`Refusal`].
    pub async fn columns(&self, asked: Asked<'_>) -> Result<(Columns, u64), Refusal> {
        let mut query = vec![("limit", "1".to_owned())];
        query.extend(asked.item.map(|item| ("item", item.to_string())));
        let json: Json = self.get(&asked.parts(), &query).await?;
        let told: Told = self.read(&json)?;
        Ok((told.columns.into(), told.total))
    }

    /// The first rows, so many.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn rows(
        &self,
        asked: Asked<'_>,
        columns: Columns,
        limit: u64,
    ) -> Result<Rows<'_>, Refusal> {
        let mut query = vec![("format", "csv".to_owned())];
        query.extend(asked.item.map(|item| ("item", item.to_string())));
        query.push(("limit", limit.to_string()));
        let pieces = self.stream(&asked.parts(), &query).await?;
        Ok(Rows {
            pieces,
            records: Records::default(),
            head: columns.len(),
            columns,
            is_over: false,
        })
    }
}

impl Asked<'_> {
    fn parts(&self) -> [&str; 5] {
        ["runs", self.run.as_str(), "tasks", self.task, "data"]
    }
}

impl Rows<'_> {
    /// The columns.
    #[must_use]
    pub fn columns(&self) -> Columns {
        self.columns.clone()
    }

    /// The next rows; `None`: those were all.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn next(&mut self) -> Result<Option<Batch>, Refusal> {
        while !self.is_over {
            let Some(piece) = self.pieces.next().await? else {
                self.is_over = true;
                if self.records.is_inside() {
                    return Err(Refusal::broken("the rows end in the midst of one")
                        .help("the log of the server tells why"));
                }
                break;
            };
            let mut batch = BatchBuilder::new(self.columns.clone());
            let head = &mut self.head;
            self.records.read(&piece, |field| {
                if *head > 0 {
                    *head -= 1;
                } else {
                    batch.push(field);
                }
            });
            let batch = batch.take();
            if batch.rows() > 0 {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

/// Whole records of a stream of CSV: their fields are told when the record has ended.
#[derive(Debug, Default)]
struct Records {
    /// The fields of the record that hasn't ended.
    fields: Vec<Option<Vec<u8>>>,
    field: Vec<u8>,
    state: State,
}

/// Where in a field the next byte is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Plain,
    Quoted,
    /// After a quote within quotes: the end, or the first of two.
    Quote,
}

impl Records {
    fn is_inside(&self) -> bool {
        self.state != State::Start || !self.fields.is_empty()
    }

    fn read(&mut self, bytes: &[u8], mut tell: impl FnMut(Option<&[u8]>)) {
        for byte in bytes {
            self.state = match (self.state, byte) {
                (State::Quoted, b'"') => State::Quote,
                (State::Quoted, _) => {
                    self.field.push(*byte);
                    State::Quoted
                }
                (State::Start, b'"') => State::Quoted,
                (State::Quote, b'"') => {
                    self.field.push(b'"');
                    State::Quoted
                }
                (state, b',' | b'\n') => {
                    let field = std::mem::take(&mut self.field);
                    self.fields.push((state != State::Start).then_some(field));
                    if *byte == b'\n' {
                        for field in self.fields.drain(..) {
                            tell(field.as_deref());
                        }
                    }
                    State::Start
                }
                (_, _) => {
                    self.field.push(*byte);
                    State::Plain
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::csv::{encode_batch, encode_header};

    #[test]
    fn what_was_written_is_read_however_it_is_cut() {
        let columns: Columns = ["a", "b, c"]
            .iter()
            .map(|name| Column::text(name))
            .collect();
        let cells: [Option<&[u8]>; 8] = [
            None,
            Some(b""),
            Some(b"plain"),
            Some(b"with \"quotes\""),
            Some(b"two\nlines"),
            Some(b"a,b"),
            Some("äö".as_bytes()),
            None,
        ];
        let mut batch = BatchBuilder::new(columns.clone());
        for cell in cells {
            batch.push(cell);
        }
        let mut text = Vec::new();
        encode_header(&columns, &mut text);
        encode_batch(&batch.take(), &mut text);
        let head: [Option<&[u8]>; 2] = [Some(b"a"), Some(b"b, c")];
        let expected: Vec<Option<Vec<u8>>> = head
            .iter()
            .chain(&cells)
            .map(|cell| cell.map(<[u8]>::to_vec))
            .collect();
        for cut in 0..text.len() {
            let mut records = Records::default();
            let mut found = Vec::new();
            for piece in [&text[..cut], &text[cut..]] {
                records.read(piece, |field| found.push(field.map(<[u8]>::to_vec)));
            }
            assert_eq!(found, expected, "cut at {cut}");
            assert!(!records.is_inside());
        }
    }
}
