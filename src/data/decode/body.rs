//! The records of a document, by its notation.

use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use bytes::{Buf as _, Bytes};

use super::document::{Decoder, DocumentEnd, GONE, Incoming};
use super::hexadecimal::hexadecimal;
use crate::data::csv::{Records, Trouble as CsvTrouble, fields_text, read_header};
use crate::data::input::{Decoded, LONGEST_RECORD};
use crate::data::json::{Chunks, Outline, Trouble, Walk, checked};
use crate::data::{Column, Columns, DataError};

/// Why a document can't be decoded on.
pub(super) enum Stop {
    Data(DataError),
    /// Nobody wants it any more.
    Gone,
}

impl From<DataError> for Stop {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Source { message, .. } if message == GONE => Self::Gone,
            error => Self::Data(error),
        }
    }
}

pub(super) fn json(decoder: &mut Decoder, incoming: Incoming<'_>) -> Result<DocumentEnd, Stop> {
    let path = decoder.records();
    let name = decoder.name().to_owned();
    let failed = |trouble: Trouble| Stop::from(trouble.of(&name));
    let outline = Outline::new(decoder.decoding.beside);
    let cut = !path.steps().is_empty();
    let mut walk = Walk::begin(incoming, &path, outline, cut).map_err(failed)?;
    while let Some(record) = walk.next().map_err(failed)? {
        decoder.record(record)?;
    }
    let (outline, missing) = walk.finish();
    Ok(DocumentEnd {
        records: decoder.number,
        beside: outline.text().and_then(|text| String::from_utf8(text).ok()),
        missing,
    })
}

pub(super) fn ndjson(decoder: &mut Decoder, incoming: Incoming<'_>) -> Result<DocumentEnd, Stop> {
    let mut lines = Lines::new(incoming);
    while let Some(line) = lines.next(decoder.name())? {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        // RFC 7464 begins each text with a record separator.
        let text = line.strip_prefix(b"\x1e").unwrap_or(line);
        match checked(text) {
            Ok(Some(record)) => decoder.record(record)?,
            Ok(None) => {}
            Err(reason) => {
                decoder.number += 1;
                decoder.reject(reason, line)?;
            }
        }
    }
    Ok(end(decoder))
}

pub(super) fn text(decoder: &mut Decoder, incoming: Incoming<'_>) -> Result<DocumentEnd, Stop> {
    let columns: Columns = [Column::text("value")].into();
    let mut lines = Lines::new(incoming);
    while let Some(line) = lines.next(decoder.name())? {
        if std::str::from_utf8(line).is_err() {
            decoder.number += 1;
            decoder.reject(
                "it isn't UTF-8: `format: raw` takes any bytes".to_owned(),
                line,
            )?;
            continue;
        }
        decoder.fields(&columns, std::iter::once(Some(line)))?;
    }
    Ok(end(decoder))
}

pub(super) fn raw(decoder: &mut Decoder, mut incoming: Incoming<'_>) -> Result<DocumentEnd, Stop> {
    let columns: Columns = [Column::text("value")].into();
    let mut whole = Vec::new();
    while let Some(chunk) = incoming.next()? {
        whole.extend_from_slice(&chunk);
        if whole.len() > LONGEST_RECORD {
            return Err(too_long(decoder.name()));
        }
    }
    let value = hexadecimal(&whole);
    decoder.fields(&columns, std::iter::once(Some(&*value)))?;
    Ok(end(decoder))
}

pub(super) fn csv(decoder: &mut Decoder, incoming: Incoming<'_>) -> Result<DocumentEnd, Stop> {
    let dialect = decoder.decoding.csv.clone();
    let name = decoder.name().to_owned();
    let mut records = Records::new(utf8(incoming), &dialect);
    let columns = read_header(&mut records, &dialect, Path::new(&name)).map_err(refound)?;
    loop {
        match records.next() {
            Ok(Some(_)) if records.width() != columns.len() => {
                let reason = format!(
                    "{}, expected {}",
                    fields_text(records.width()),
                    columns.len()
                );
                decoder.number += 1;
                decoder.reject(reason, records.bytes())?;
            }
            Ok(Some(_)) if std::str::from_utf8(records.bytes()).is_err() => {
                decoder.number += 1;
                decoder.reject("not UTF-8".to_owned(), records.bytes())?;
            }
            Ok(Some(_)) => decoder.fields(&columns, records.fields())?,
            Ok(None) => return Ok(end(decoder)),
            Err(CsvTrouble::Read(error)) => return Err(given(error)),
            Err(CsvTrouble::Record(reason)) => {
                decoder.number += 1;
                decoder.reject(reason.to_owned(), records.bytes())?;
            }
            Err(CsvTrouble::Lost(reason)) => {
                return Err(Stop::Data(DataError::Record {
                    message: format!("{name}: {reason}"),
                    place: None,
                }));
            }
        }
    }
}

fn end(decoder: &Decoder) -> DocumentEnd {
    DocumentEnd {
        records: decoder.number,
        ..DocumentEnd::default()
    }
}

fn too_long(name: &str) -> Stop {
    Stop::Data(DataError::Record {
        message: format!("{name}: a record is longer than 64 MiB"),
        place: None,
    })
}

/// Text without its byte order mark.
fn utf8(incoming: Incoming<'_>) -> Decoded<ChunkReader<Incoming<'_>>> {
    let reader = ChunkReader {
        chunks: incoming,
        rest: Bytes::new(),
    };
    Decoded::new(reader, encoding_rs::UTF_8)
}

/// The lines of a document.
struct Lines<'a> {
    reader: BufReader<Decoded<ChunkReader<Incoming<'a>>>>,
    line: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn new(incoming: Incoming<'a>) -> Self {
        Self {
            reader: BufReader::with_capacity(64 * 1024, utf8(incoming)),
            line: Vec::new(),
        }
    }

    /// The next line, without its end.
    fn next(&mut self, name: &str) -> Result<Option<&[u8]>, Stop> {
        self.line.clear();
        let longest = LONGEST_RECORD as u64 + 1;
        let mut reader = (&mut self.reader).take(longest);
        let count = reader.read_until(b'\n', &mut self.line).map_err(given)?;
        if count == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
        } else if count as u64 == longest {
            return Err(too_long(name));
        }
        Ok(Some(&self.line))
    }
}

/// Chunks as a reader.
struct ChunkReader<C> {
    chunks: C,
    rest: Bytes,
}

impl<C: Chunks> Read for ChunkReader<C> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.chunks.next() {
                Ok(Some(chunk)) => self.rest = chunk,
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let count = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// The error that [`ChunkReader`] has wrapped.
fn given(error: io::Error) -> Stop {
    match error.downcast::<DataError>() {
        Ok(error) => error.into(),
        Err(error) => Stop::Data(DataError::Source {
            message: error.to_string(),
            retryable: true,
        }),
    }
}

fn refound(error: DataError) -> Stop {
    match error {
        DataError::File { error, .. } => given(error),
        error => error.into(),
    }
}
