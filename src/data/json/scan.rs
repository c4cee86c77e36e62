//! A document out of a stream, byte by byte, without holding more of it than what is asked for; and
//! the place in it, for people.

mod grammar;

use bytes::Bytes;

pub(in crate::data) use self::grammar::{checked, unquoted};
use super::outline::Outline;
use super::trouble::{Trouble, excerpt};
use crate::data::DataError;
use crate::data::input::LONGEST_RECORD;

/// The bytes of a document, as they come.
pub(in crate::data) trait Chunks {
    /// The next bytes, waiting for them; `None` at the end.
    fn next(&mut self) -> Result<Option<Bytes>, DataError>;
}

/// The bytes of a document that is there as a whole.
pub(super) struct Whole(pub(super) Option<Bytes>);

impl Chunks for Whole {
    fn next(&mut self) -> Result<Option<Bytes>, DataError> {
        Ok(self.0.take())
    }
}

/// A place in a document, of which the bytes before it may be gone.
pub(in crate::data) struct Scanner<C> {
    chunks: C,
    buffer: Vec<u8>,
    /// The next byte of `buffer`.
    at: usize,
    /// The end of what is known to be UTF-8.
    end: usize,
    /// From here on bytes stay when more are read.
    keep: Option<usize>,
    ended: bool,
    /// The bytes at `end` are no UTF-8.
    garbled: bool,
    /// What was dropped before the buffer: bytes, line ends, characters since the last of them.
    dropped: (u64, u64, u64),
    outline: Outline,
    /// From here on bytes go to the outline; `None` while records are read.
    outlined: Option<usize>,
    /// For each open bracket, whether it is an object's.
    open: Vec<bool>,
}

impl<C: Chunks> Scanner<C> {
    /// Begins a document; a byte order mark is passed over.
    ///
    /// # Errors
    /// Its bytes can't be had.
    pub(in crate::data) fn begin(chunks: C, outline: Outline) -> Result<Self, Trouble> {
        let mut scanner = Self {
            chunks,
            buffer: Vec::new(),
            at: 0,
            end: 0,
            keep: None,
            ended: false,
            garbled: false,
            dropped: (0, 0, 0),
            outline,
            outlined: Some(0),
            open: Vec::new(),
        };
        if scanner.byte()? == Some(0xef) && scanner.buffer.starts_with("\u{feff}".as_bytes()) {
            scanner.at = 3;
            scanner.outlined = Some(3);
        }
        Ok(scanner)
    }

    /// The next byte that is no space.
    #[inline]
    pub(super) fn token(&mut self) -> Result<Option<u8>, Trouble> {
        loop {
            while self.at < self.end {
                match self.buffer[self.at] {
                    b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                    byte => return Ok(Some(byte)),
                }
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    /// Passes over the byte that [`token`](Self::token) has given.
    #[inline]
    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    /// The next byte; `None` at the end.
    #[inline]
    fn byte(&mut self) -> Result<Option<u8>, Trouble> {
        if self.at == self.end && !self.more()? {
            return Ok(None);
        }
        Ok(Some(self.buffer[self.at]))
    }

    /// Reads more bytes; false at the end.
    #[cold]
    fn more(&mut self) -> Result<bool, Trouble> {
        self.forget();
        if self.buffer.len() > LONGEST_RECORD {
            return Err(self.malformed("a value is longer than 64 MiB"));
        }
        let before = self.end;
        while self.end == before {
            if self.garbled || (self.ended && self.end < self.buffer.len()) {
                return Err(self.malformed("the text isn't UTF-8"));
            }
            if self.ended {
                return Ok(false);
            }
            match self.chunks.next()? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => self.ended = true,
            }
            // A character that is cut in two waits for its other part.
            self.end = match std::str::from_utf8(&self.buffer[before..]) {
                Ok(_) => self.buffer.len(),
                Err(error) => {
                    self.garbled = error.error_len().is_some();
                    before + error.valid_up_to()
                }
            };
        }
        Ok(true)
    }

    /// Drops the bytes that nobody needs any more.
    fn forget(&mut self) {
        self.outline_to_here();
        let from = self.keep.unwrap_or(self.at);
        let gone = &self.buffer[..from];
        let (_, lines, column) = &mut self.dropped;
        *column += match memchr::memrchr(b'\n', gone) {
            Some(last) => {
                *lines += memchr::memchr_iter(b'\n', gone).count() as u64;
                *column = 0;
                characters(&gone[last + 1..])
            }
            None => characters(gone),
        };
        self.dropped.0 += from as u64;
        self.buffer.drain(..from);
        self.at -= from;
        self.end -= from;
        if self.keep.is_some() {
            self.keep = Some(0);
        }
        if self.outlined.is_some() {
            self.outlined = Some(self.at);
        }
    }

    fn outline_to_here(&mut self) {
        if let Some(from) = self.outlined {
            self.outline.add(&self.buffer[from..self.at]);
            self.outlined = Some(self.at);
        }
    }

    /// Leaves what follows out of the outline, where `instead` stands for it.
    pub(super) fn pause_outline(&mut self, instead: &[u8]) {
        self.outline_to_here();
        self.outline.add(instead);
        self.outlined = None;
    }

    /// Takes what follows into the outline.
    pub(super) fn resume_outline(&mut self) {
        self.outlined = Some(self.at);
    }

    /// The outline of what was read.
    pub(in crate::data) fn into_outline(mut self) -> Outline {
        self.outline_to_here();
        self.outline
    }

    /// A mistake: something else was expected here. The document may also have been cut off.
    pub(super) fn expected(&self, what: &str) -> Trouble {
        if self.at == self.end && self.ended {
            let (offset, line, column) = self.place();
            return Trouble::Cut(format!(
                "the document ends too early, at offset {offset} (line {line}, column {column}): expected {what}"
            ));
        }
        self.malformed(&format!("expected {what}"))
    }

    /// A mistake at this place.
    pub(super) fn malformed(&self, what: &str) -> Trouble {
        let (offset, line, column) = self.place();
        let (before, after) = self.buffer.split_at(self.at);
        Trouble::Malformed(format!(
            "malformed JSON at offset {offset} (line {line}, column {column}): {what}: `{}`",
            excerpt(before, after)
        ))
    }

    /// Bytes of the document before this place.
    fn offset(&self) -> usize {
        usize::try_from(self.dropped.0).unwrap_or(usize::MAX) + self.at
    }

    /// Bytes from 0, line and column from 1.
    fn place(&self) -> (u64, u64, u64) {
        let (bytes, lines, column) = self.dropped;
        let seen = &self.buffer[..self.at];
        let column = match memchr::memrchr(b'\n', seen) {
            Some(last) => characters(&seen[last + 1..]),
            None => column + characters(seen),
        };
        let lines = lines + memchr::memchr_iter(b'\n', seen).count() as u64;
        (bytes + self.at as u64, lines + 1, column + 1)
    }
}

/// How many characters begin in a piece of UTF-8.
fn characters(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64
}
