//! Reading objects, one a line, into columns.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::cell::{Cell, join_kinds};
use crate::data::input::{InputFiles, LineReader};
use crate::data::place::{Lines, Mark};
use crate::data::thread::{BadRow, Parser};
use crate::data::{BatchBuilder, Column, ColumnKind, Columns, DataError, Reject};

/// Records that are looked at before the columns are settled, and their bytes.
const PEEK_RECORDS: usize = 1000;
const PEEK_BYTES: usize = 1024 * 1024;

/// Which columns the records have.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// These; other keys are passed over, missing ones are NULL.
    Columns(Columns),
    /// These keys, their kinds as the first records have them; other keys are passed over.
    Keys {
        /// NULL where they are missing.
        keys: Vec<String>,
        /// Only if the first records have them.
        perhaps: Vec<String>,
    },
    /// All keys of the first records. A later record with another key is a mistake.
    All,
}

/// Reads NDJSON files, one after the other.
pub struct NdjsonParser {
    input: LineReader,
    columns: Columns,
    index: HashMap<Arc<str>, usize>,
    strict: bool,
    /// Lines that were read to settle the columns: file, line, text.
    peeked: VecDeque<(u32, u64, Vec<u8>)>,
    line: Vec<u8>,
    cells: Vec<Option<(usize, usize)>>,
    text: Vec<u8>,
}

impl NdjsonParser {
    /// Opens the files and settles the columns.
    ///
    /// # Errors
    /// A file can't be opened; one of the first records isn't an object.
    pub fn open(files: InputFiles, wanted: Wanted) -> Result<Self, DataError> {
        let strict = matches!(wanted, Wanted::All);
        let mut parser = Self {
            input: LineReader::new(files),
            columns: Columns::default(),
            index: HashMap::new(),
            strict,
            peeked: VecDeque::new(),
            line: Vec::new(),
            cells: Vec::new(),
            text: Vec::new(),
        };
        parser.columns = match wanted {
            Wanted::Columns(columns) => columns,
            Wanted::Keys { keys, perhaps } => parser.peek(keys, perhaps, false)?,
            Wanted::All => parser.peek(Vec::new(), Vec::new(), true)?,
        };
        parser.index = parser
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| (column.name.clone(), at))
            .collect();
        parser.cells = vec![None; parser.columns.len()];
        Ok(parser)
    }

    /// Reads the first records and gives the columns that they have.
    fn peek(
        &mut self,
        keys: Vec<String>,
        perhaps: Vec<String>,
        all: bool,
    ) -> Result<Columns, DataError> {
        let certain = keys.len();
        let keys = keys.into_iter().chain(perhaps);
        let mut found: Vec<(String, Option<ColumnKind>)> = keys.map(|key| (key, None)).collect();
        let mut seen = vec![false; found.len()];
        let mut bytes = 0;
        while self.peeked.len() < PEEK_RECORDS && bytes < PEEK_BYTES {
            let mut line = Vec::new();
            let Some((file, number)) = self.input.next_line(&mut line)? else {
                break;
            };
            let read = read_object(&line, |key, value| {
                let kind = Cell::of(value).kind;
                let at = found.iter().position(|(name, _)| *name == key);
                match at.map(|at| (at, &mut found[at].1)) {
                    Some((at, known)) => {
                        if let Some(seen) = seen.get_mut(at) {
                            *seen = true;
                        }
                        *known = match (*known, kind) {
                            (Some(a), Some(b)) => Some(join_kinds(a, b)),
                            (known, kind) => known.or(kind),
                        }
                    }
                    None if all => found.push((key.into_owned(), kind)),
                    None => {}
                }
                Ok(())
            });
            // A mistake is told when the record's turn comes: rows before it count.
            let broken = read.is_err();
            bytes += line.len();
            self.peeked.push_back((file, number, line));
            if broken {
                break;
            }
        }
        let absent = |at: usize| at >= certain && seen.get(at) == Some(&false);
        Ok(found
            .into_iter()
            .enumerate()
            .filter(|(at, _)| !absent(*at))
            .map(|(_, (name, kind))| Column {
                name: name.into(),
                kind: kind.unwrap_or(ColumnKind::Text),
            })
            .collect())
    }

    fn next_line(&mut self) -> Result<Option<(u32, u64)>, DataError> {
        if let Some((file, number, line)) = self.peeked.pop_front() {
            self.line = line;
            return Ok(Some((file, number)));
        }
        self.input.next_line(&mut self.line)
    }
}

impl Parser for NdjsonParser {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn files(&self) -> Arc<[PathBuf]> {
        self.input.names()
    }

    fn row(
        &mut self,
        row: u64,
        builder: &mut BatchBuilder,
        lines: &mut Lines,
    ) -> Result<bool, BadRow> {
        let Some((file, number)) = self.next_line()? else {
            return Ok(false);
        };
        self.cells.fill(None);
        self.text.clear();
        let (cells, text, columns) = (&mut self.cells, &mut self.text, &self.columns);
        let (index, strict) = (&self.index, self.strict);
        read_object(&self.line, |key, value| {
            let Some(&at) = index.get(&*key) else {
                return if strict {
                    Err(format!(
                        "key `{key}` is new, no earlier record has it: name the keys to take under `columns:`"
                    ))
                } else {
                    Ok(())
                };
            };
            cells[at] = Cell::in_column(value, columns[at].kind).map(|cell| {
                let start = text.len();
                text.extend_from_slice(cell.as_bytes());
                (start, text.len())
            });
            Ok(())
        })
        .map_err(|reason| {
            BadRow::Reject(Box::new(Reject {
                place: Some(self.input.place(file, number)),
                column: None,
                value: None,
                reason,
                record: String::from_utf8_lossy(&self.line).into_owned(),
            }))
        })?;
        for cell in &self.cells {
            builder.push(cell.map(|(start, end)| &self.text[start..end]));
        }
        lines.add(Mark {
            row,
            file,
            line: number,
        });
        Ok(true)
    }
}

/// Gives every key of an object and its value.
pub(in crate::data) fn read_object(
    line: &[u8],
    each: impl FnMut(Cow<'_, str>, &RawValue) -> Result<(), String>,
) -> Result<(), String> {
    struct Object<F>(F);
    impl<'de, F> Visitor<'de> for Object<F>
    where
        F: FnMut(Cow<'_, str>, &RawValue) -> Result<(), String>,
    {
        type Value = Result<(), String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }
        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = Ok(());
            while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                let value = map.next_value::<&RawValue>()?;
                if found.is_ok() {
                    found = (self.0)(key, value);
                }
            }
            Ok(found)
        }
    }
    let text = std::str::from_utf8(line).map_err(|error| {
        format!(
            "byte {} isn't UTF-8: set `encoding:` to the file's own",
            error.valid_up_to() + 1
        )
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = deserializer
        .deserialize_map(Object(each))
        .and_then(|found| deserializer.end().map(|()| found));
    read.map_err(|error| {
        let reason = error.to_string();
        // The line within the text is always 1: only the column helps.
        let reason = reason
            .rsplit_once(" at line ")
            .map_or(reason.as_str(), |(reason, _)| reason);
        format!("no JSON object: {reason} at column {}", error.column())
    })?
}
