//! Cutting bytes into records and records into fields.

use std::io::{self, Read};

use super::CsvDialect;
use crate::data::input::LONGEST_RECORD;

/// Bytes that are read at once.
const CHUNK: usize = 256 * 1024;

/// A field of the current record.
#[derive(Debug, Clone, Copy)]
struct Field {
    start: usize,
    end: usize,
    /// In the scratch buffer, because its quotes are taken out; otherwise in the input.
    unquoted: bool,
}

/// Why there is no next record.
#[derive(Debug)]
pub(in crate::data) enum Trouble {
    /// The file can't be read.
    Read(io::Error),
    /// The record is broken; the next one can be read.
    Record(&'static str),
    /// The record is broken, and where the next begins isn't known.
    Lost(&'static str),
}

/// The records of one file.
pub(in crate::data) struct Records<R> {
    reader: R,
    delimiter: u8,
    quote: u8,
    null: Vec<u8>,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    ended: bool,
    /// The line of the next record, from 1.
    line: u64,
    record: (usize, usize),
    fields: Vec<Field>,
    scratch: Vec<u8>,
}

/// How far the slow path got.
enum Step {
    /// The record ends before this offset, with so many line ends.
    Record(usize, u64),
    /// It goes on behind the bytes read so far.
    More,
    Broken(&'static str, usize, u64),
}

impl<R: Read> Records<R> {
    pub(in crate::data) fn new(reader: R, dialect: &CsvDialect) -> Self {
        Self {
            reader,
            delimiter: dialect.delimiter,
            quote: dialect.quote,
            null: dialect.null.clone().into_bytes(),
            buffer: vec![0; CHUNK],
            from: 0,
            to: 0,
            ended: false,
            line: 1,
            record: (0, 0),
            fields: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Reads the next record and gives its line; `None` at the end.
    pub(in crate::data) fn next(&mut self) -> Result<Option<u64>, Trouble> {
        loop {
            let line = self.line;
            let rest = &self.buffer[self.from..self.to];
            if rest.is_empty() && self.ended {
                return Ok(None);
            }
            let end = match memchr::memchr(b'\n', rest) {
                Some(end) => Some((end, end + 1)),
                None if self.ended => Some((rest.len(), rest.len())),
                None => None,
            };
            if let Some((end, after)) = end {
                let end = match rest[..end].last() {
                    Some(b'\r') => end - 1,
                    _ => end,
                };
                if memchr::memchr2(self.quote, b'\r', &rest[..end]).is_none() {
                    self.split(self.from, self.from + end);
                    self.from += after;
                    self.line += 1;
                    return Ok(Some(line));
                }
                match self.unquote() {
                    Step::Record(after, lines) => {
                        self.from = after;
                        self.line += lines;
                        return Ok(Some(line));
                    }
                    Step::Broken(reason, after, lines) => {
                        self.from = after;
                        self.line += lines;
                        return Err(if after == self.to && self.ended {
                            Trouble::Lost(reason)
                        } else {
                            Trouble::Record(reason)
                        });
                    }
                    Step::More => {}
                }
            }
            self.read_more()?;
        }
    }

    /// The line of the record that [`next`](Self::next) would give.
    pub(in crate::data) fn line(&self) -> u64 {
        self.line
    }

    /// How many fields the record has.
    pub(in crate::data) fn width(&self) -> usize {
        self.fields.len()
    }

    /// The fields of the record; `None` is NULL.
    pub(in crate::data) fn fields(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.fields.iter().map(|field| self.cell(*field))
    }

    /// The field at an index below [`width`](Self::width).
    pub(in crate::data) fn field(&self, at: usize) -> Option<&[u8]> {
        self.cell(self.fields[at])
    }

    fn cell(&self, field: Field) -> Option<&[u8]> {
        if field.unquoted {
            return Some(&self.scratch[field.start..field.end]);
        }
        let text = &self.buffer[field.start..field.end];
        (text != self.null).then_some(text)
    }

    /// The bytes of the record as they are in the file, without its end.
    pub(in crate::data) fn bytes(&self) -> &[u8] {
        &self.buffer[self.record.0..self.record.1]
    }

    /// Hands out what was read but not used, and the reader: for whoever goes on with the bytes.
    pub(super) fn into_rest(mut self) -> (Vec<u8>, R) {
        self.buffer.truncate(self.to);
        self.buffer.drain(..self.from);
        (self.buffer, self.reader)
    }

    /// Whether the last record ended with CRLF.
    pub(super) fn ends_with_crlf(&self) -> bool {
        self.buffer[..self.from].ends_with(b"\r\n")
    }

    fn read_more(&mut self) -> Result<(), Trouble> {
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
        }
        if self.to == self.buffer.len() {
            if self.to > LONGEST_RECORD {
                return Err(Trouble::Lost(
                    "the record is longer than 64 MiB: is a quote never closed?",
                ));
            }
            self.buffer.resize(self.to * 2, 0);
        }
        // A long record is cut only when its buffer is full: never often over the same bytes.
        while self.to < self.buffer.len() {
            let count = loop {
                match self.reader.read(&mut self.buffer[self.to..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => break read.map_err(Trouble::Read)?,
                }
            };
            if count == 0 {
                self.ended = true;
                break;
            }
            self.to += count;
        }
        Ok(())
    }

    /// Cuts a record without quotes.
    fn split(&mut self, from: usize, end: usize) {
        self.record = (from, end);
        self.fields.clear();
        let mut start = from;
        for at in memchr::memchr_iter(self.delimiter, &self.buffer[from..end]) {
            self.fields.push(Field {
                start,
                end: from + at,
                unquoted: false,
            });
            start = from + at + 1;
        }
        self.fields.push(Field {
            start,
            end,
            unquoted: false,
        });
    }

    /// Cuts a record with quotes, as PostgreSQL does: a quote may begin and end anywhere in a
    /// field.
    fn unquote(&mut self) -> Step {
        self.fields.clear();
        self.scratch.clear();
        let bytes = &self.buffer[..self.to];
        let mut at = self.from;
        let mut lines = 0;
        let mut broken = None;
        loop {
            // One field.
            let (start, scratch) = (at, self.scratch.len());
            let mut quoted = false;
            let end = loop {
                let Some(&byte) = bytes.get(at) else {
                    if self.ended {
                        break at;
                    }
                    return Step::More;
                };
                if byte == self.quote {
                    quoted = true;
                    at += 1;
                    loop {
                        let Some(close) = memchr::memchr(self.quote, &bytes[at..]) else {
                            if !self.ended {
                                return Step::More;
                            }
                            self.record = (self.from, self.to);
                            return Step::Broken("a quote is never closed", self.to, lines + 1);
                        };
                        let text = &bytes[at..at + close];
                        lines += memchr::memchr_iter(b'\n', text).count() as u64;
                        self.scratch.extend_from_slice(text);
                        at += close + 1;
                        match bytes.get(at) {
                            Some(next) if *next == self.quote => {
                                self.scratch.push(self.quote);
                                at += 1;
                            }
                            None if !self.ended => return Step::More,
                            _ => break,
                        }
                    }
                } else if byte == self.delimiter || byte == b'\n' {
                    break at;
                } else if byte == b'\r' {
                    match bytes.get(at + 1) {
                        Some(b'\n') => break at,
                        None if !self.ended => return Step::More,
                        _ => {
                            broken = Some("a carriage return stands outside of quotes");
                            at += 1;
                        }
                    }
                } else {
                    self.scratch.push(byte);
                    at += 1;
                }
            };
            self.fields.push(if quoted {
                Field {
                    start: scratch,
                    end: self.scratch.len(),
                    unquoted: true,
                }
            } else {
                Field {
                    start,
                    end,
                    unquoted: false,
                }
            });
            let after = match &bytes[at..] {
                [byte, ..] if *byte == self.delimiter => {
                    at += 1;
                    continue;
                }
                [b'\r', ..] => at + 2,
                [] => at,
                _ => at + 1,
            };
            self.record = (self.from, at);
            return match broken {
                Some(reason) => Step::Broken(reason, after, lines + 1),
                None => Step::Record(after, lines + 1),
            };
        }
    }
}
