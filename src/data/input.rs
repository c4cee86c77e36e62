//! Files as one stream of bytes: unpacked, in UTF-8, without a byte order mark.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use encoding_rs::{CoderResult, Encoding, UTF_8};

use super::{Compression, DataError, FileStore, Place};

/// Bytes that are read at once.
const CHUNK: usize = 256 * 1024;
/// A longer record is a mistake, such as a quote that is never closed: memory stays bounded.
pub(super) const LONGEST_RECORD: usize = 64 * 1024 * 1024;

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    pub path: PathBuf,
    /// As people see it: relative to the project.
    pub shown: PathBuf,
}

/// How bytes become text.
#[derive(Debug, Clone)]
pub struct Unpacking {
    /// `None`: as each file's extension says.
    pub compression: Option<Compression>,
    pub encoding: &'static Encoding,
    /// Counts the bytes read from disk.
    pub bytes_read: Arc<AtomicU64>,
}

impl Default for Unpacking {
    fn default() -> Self {
        Self {
            compression: None,
            encoding: UTF_8,
            bytes_read: Arc::default(),
        }
    }
}

/// The files of a stream and how they are read.
#[derive(Debug, Clone)]
pub struct InputFiles {
    /// Where they are.
    pub store: Arc<dyn FileStore>,
    pub files: Vec<InputFile>,
    pub unpacking: Unpacking,
}

impl InputFiles {
    /// The names, as people see them.
    #[must_use]
    pub fn names(&self) -> Arc<[PathBuf]> {
        self.files.iter().map(|file| file.shown.clone()).collect()
    }

    /// Opens the file at `index`.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open(&self, index: usize) -> Result<Box<dyn Read + Send>, DataError> {
        let InputFile { path, shown } = &self.files[index];
        let failed = |error| DataError::file(shown, error);
        let file = Counted {
            file: self.store.open(path).map_err(failed)?,
            bytes: self.unpacking.bytes_read.clone(),
        };
        let compression = self
            .unpacking
            .compression
            .unwrap_or_else(|| Compression::of(path));
        let unpacked = compression.reader(file).map_err(failed)?;
        Ok(Box::new(Decoded::new(unpacked, self.unpacking.encoding)))
    }
}

struct Counted {
    file: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Unpacked text as UTF-8 without a byte order mark.
pub(super) fn decoded<'a>(unpacked: impl Read + Send + 'a) -> Box<dyn Read + Send + 'a> {
    Box::new(Decoded::new(unpacked, UTF_8))
}

/// Text of any encoding as UTF-8. A byte order mark decides over the encoding that was named, and
/// is taken out. UTF-8 itself isn't checked here: whoever reads the records names the line.
pub(super) struct Decoded<R> {
    inner: R,
    encoding: &'static Encoding,
    decoder: Option<encoding_rs::Decoder>,
    begun: bool,
    ended: bool,
    input: Vec<u8>,
    /// Bytes of `input` that are not handed out yet.
    from: usize,
    to: usize,
}

impl<R: Read> Decoded<R> {
    pub(super) fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            encoding,
            decoder: None,
            begun: false,
            ended: false,
            input: Vec::new(),
            from: 0,
            to: 0,
        }
    }

    /// Looks for a byte order mark.
    fn begin(&mut self) -> io::Result<()> {
        self.input = vec![0; CHUNK];
        while self.to < 3 {
            let count = self.inner.read(&mut self.input[self.to..])?;
            if count == 0 {
                break;
            }
            self.to += count;
        }
        let mut encoding = self.encoding;
        if let Some((marked, length)) = Encoding::for_bom(&self.input[..self.to]) {
            encoding = marked;
            self.from = length;
        }
        if encoding != UTF_8 {
            self.decoder = Some(encoding.new_decoder_without_bom_handling());
        }
        self.begun = true;
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.begun {
            self.begin()?;
        }
        let Some(decoder) = &mut self.decoder else {
            if self.from < self.to {
                let count = buffer.len().min(self.to - self.from);
                buffer[..count].copy_from_slice(&self.input[self.from..self.from + count]);
                self.from += count;
                return Ok(count);
            }
            return self.inner.read(buffer);
        };
        // A decoder needs room for at least one character.
        debug_assert!(buffer.len() >= 16, "a reader's buffer is larger");
        loop {
            if self.from == self.to && !self.ended {
                self.from = 0;
                self.to = self.inner.read(&mut self.input)?;
                self.ended = self.to == 0;
            }
            let input = &self.input[self.from..self.to];
            let (result, read, written, malformed) =
                decoder.decode_to_utf8(input, buffer, self.ended);
            self.from += read;
            if malformed {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "it isn't {}: set `encoding:` to the file's own",
                        decoder.encoding().name()
                    ),
                ));
            }
            if written > 0 || (self.ended && result == CoderResult::InputEmpty) {
                return Ok(written);
            }
        }
    }
}

/// The lines of several files. Empty lines are passed over.
pub(super) struct LineReader {
    files: InputFiles,
    names: Arc<[PathBuf]>,
    current: usize,
    reader: Option<Box<dyn Read + Send>>,
    line: u64,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

impl LineReader {
    pub(super) fn new(files: InputFiles) -> Self {
        Self {
            names: files.names(),
            files,
            current: 0,
            reader: None,
            line: 0,
            buffer: vec![0; CHUNK],
            from: 0,
            to: 0,
        }
    }

    pub(super) fn names(&self) -> Arc<[PathBuf]> {
        self.names.clone()
    }

    pub(super) fn place(&self, file: u32, line: u64) -> Place {
        Place {
            file: self.names[file as usize].clone(),
            line,
        }
    }

    /// Puts the next line, without its end, into `line`; gives its file and number.
    pub(super) fn next_line(
        &mut self,
        line: &mut Vec<u8>,
    ) -> Result<Option<(u32, u64)>, DataError> {
        loop {
            line.clear();
            if !self.raw_line(line)? {
                return Ok(None);
            }
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                let file = u32::try_from(self.current).unwrap_or(u32::MAX);
                return Ok(Some((file, self.line)));
            }
        }
    }

    fn raw_line(&mut self, line: &mut Vec<u8>) -> Result<bool, DataError> {
        loop {
            if self.current == self.files.files.len() {
                return Ok(false);
            }
            let reader = if let Some(reader) = &mut self.reader {
                reader
            } else {
                self.line = 0;
                self.reader.insert(self.files.open(self.current)?)
            };
            if self.from == self.to {
                self.from = 0;
                self.to = reader
                    .read(&mut self.buffer)
                    .map_err(|error| DataError::file(&self.names[self.current], error))?;
                if self.to == 0 {
                    if line.is_empty() {
                        self.reader = None;
                        self.current += 1;
                        continue;
                    }
                    // The last line has no end.
                    self.line += 1;
                    return Ok(true);
                }
            }
            let rest = &self.buffer[self.from..self.to];
            if let Some(end) = memchr::memchr(b'\n', rest) {
                line.extend_from_slice(&rest[..end]);
                self.from += end + 1;
                self.line += 1;
                return Ok(true);
            }
            line.extend_from_slice(rest);
            self.from = self.to;
            if line.len() > LONGEST_RECORD {
                let file = u32::try_from(self.current).unwrap_or(u32::MAX);
                return Err(DataError::record(
                    self.place(file, self.line + 1),
                    "the record is longer than 64 MiB",
                ));
            }
        }
    }
}
