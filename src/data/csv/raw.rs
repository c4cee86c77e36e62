//! CSV files as bytes for a database that reads CSV itself.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::{CsvDialect, header};
use crate::data::{Columns, DataError, InputFiles, Place};

/// Bytes that are handed over at once, and how many pieces wait.
const CHUNK: usize = 256 * 1024;
const IN_FLIGHT: usize = 4;

/// The records of CSV files as one stream of bytes, untouched but for the headers, in place of
/// which the stream has a first line of its own, and a line end that the last record of a file
/// may lack.
pub struct RawCsv {
    columns: Columns,
    lines: RawLines,
    pieces: mpsc::Receiver<Result<Bytes, DataError>>,
    current: Bytes,
    ended: bool,
    failure: Option<DataError>,
}

/// Where the lines of the stream stand.
#[derive(Debug, Clone)]
pub struct RawLines {
    names: Arc<[PathBuf]>,
    /// The first line of each file begun so far: in the stream and in the file.
    starts: Arc<Mutex<Vec<(u64, u64)>>>,
}

impl RawLines {
    /// The place of a line of the stream, counted from 1 as the server does.
    #[must_use]
    pub fn find(&self, line: u64) -> Option<Place> {
        let starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let file = starts
            .partition_point(|(start, _)| *start <= line)
            .checked_sub(1)?;
        let (start, first) = starts[file];
        Some(Place {
            file: self.names.get(file)?.clone(),
            line: first + (line - start),
        })
    }
}

impl RawCsv {
    /// Opens the files; reading goes on on a thread of its own. `None` when they can't be passed
    /// through: their line ends differ.
    ///
    /// # Errors
    /// A file can't be opened; a header can't be read, or differs from the first.
    pub async fn open(files: InputFiles, dialect: CsvDialect) -> Result<Option<Self>, DataError> {
        let lines = RawLines {
            names: files.names(),
            starts: Arc::default(),
        };
        let (opened, opening) = oneshot::channel();
        let (sender, pieces) = mpsc::channel(IN_FLIGHT);
        let starts = lines.starts.clone();
        drop(spawn_blocking(move || {
            let (columns, first) = match prepare(&files, &dialect) {
                Ok(Some(prepared)) => prepared,
                other => return drop(opened.send(other.map(|_| None))),
            };
            if opened.send(Ok(Some(columns))).is_err() {
                return;
            }
            if sender.blocking_send(Ok(Bytes::from_static(first))).is_err() {
                return;
            }
            let mut stream = Stream {
                files,
                dialect,
                starts,
                line: 2,
                in_quote: false,
                sender,
            };
            let last = match stream.send_all() {
                Ok(true) => Ok(Bytes::new()),
                Ok(false) => return,
                Err(error) => Err(error),
            };
            // The other side may be gone, which ends this thread just the same.
            let _ = stream.sender.blocking_send(last);
        }));
        let columns = opening.await.map_err(|_| broken())??;
        Ok(columns.map(|columns| Self {
            columns,
            lines,
            pieces,
            current: Bytes::new(),
            ended: false,
            failure: None,
        }))
    }

    /// The columns of the files.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Where the lines of the stream stand.
    #[must_use]
    pub fn lines(&self) -> &RawLines {
        &self.lines
    }

    /// The error behind an [`io::Error`] that reading gave.
    pub fn take_failure(&mut self) -> Option<DataError> {
        self.failure.take()
    }
}

impl tokio::io::AsyncRead for RawCsv {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        use std::task::Poll;
        while self.current.is_empty() && !self.ended {
            match self.pieces.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                // An empty piece is the end; a channel that closes without one isn't.
                Poll::Ready(Some(Ok(piece))) if piece.is_empty() => self.ended = true,
                Poll::Ready(Some(Ok(piece))) => self.current = piece,
                Poll::Ready(other) => {
                    let error = other.and_then(Result::err).unwrap_or_else(broken);
                    let message = error.to_string();
                    self.failure = Some(error);
                    return Poll::Ready(Err(io::Error::other(message)));
                }
            }
        }
        let count = buffer.remaining().min(self.current.len());
        buffer.put_slice(&self.current.split_to(count));
        Poll::Ready(Ok(()))
    }
}

fn broken() -> DataError {
    DataError::Source {
        message: "the thread that reads the files has stopped".to_owned(),
        retryable: true,
    }
}

/// Looks at every file's first record; gives the columns and the first line of the stream. `None`
/// when the files' line ends differ: PostgreSQL expects all lines of one COPY to end alike. It
/// learns how they end from the first line, and miscounts the lines of a record before that: so
/// the first line is always one without meaning.
fn prepare(
    files: &InputFiles,
    dialect: &CsvDialect,
) -> Result<Option<(Columns, &'static [u8])>, DataError> {
    let mut files = files.clone();
    // These bytes are read again.
    files.unpacking.bytes_read = Arc::default();
    let mut known: Option<Columns> = None;
    let mut crlf = None;
    for index in 0..files.files.len() {
        let (mut records, columns) = header::open(&files, index, dialect, known.as_ref())?;
        known.get_or_insert(columns);
        if !dialect.header && !matches!(records.next(), Ok(Some(_))) {
            continue;
        }
        if *crlf.get_or_insert(records.ends_with_crlf()) != records.ends_with_crlf() {
            return Ok(None);
        }
    }
    let first: &[u8] = if crlf == Some(true) { b"-\r\n" } else { b"-\n" };
    Ok(known.map(|columns| (columns, first)))
}

/// Reads on until the piece is full; true at the end of the file.
fn fill(piece: &mut Vec<u8>, reader: &mut impl Read) -> io::Result<bool> {
    let mut filled = piece.len();
    piece.resize(filled + CHUNK, 0);
    while filled < piece.len() {
        match reader.read(&mut piece[filled..]) {
            Ok(0) => {
                piece.truncate(filled);
                return Ok(true);
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

struct Stream {
    files: InputFiles,
    dialect: CsvDialect,
    starts: Arc<Mutex<Vec<(u64, u64)>>>,
    /// The line of the stream that comes next.
    line: u64,
    in_quote: bool,
    sender: mpsc::Sender<Result<Bytes, DataError>>,
}

impl Stream {
    /// Sends all files; false when nobody listens any more.
    fn send_all(&mut self) -> Result<bool, DataError> {
        for index in 0..self.files.files.len() {
            let (records, _) = header::open(&self.files, index, &self.dialect, None)?;
            self.starts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((self.line, records.line()));
            let crlf = records.ends_with_crlf();
            let (rest, reader) = records.into_rest();
            if !self.send_file(index, rest, reader, crlf)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends a file's bytes in pieces that end with a line, as far as lines aren't longer.
    fn send_file(
        &mut self,
        index: usize,
        mut piece: Vec<u8>,
        mut reader: impl Read,
        mut crlf: bool,
    ) -> Result<bool, DataError> {
        let mut at_line_start = true;
        self.in_quote = false;
        loop {
            let ended = fill(&mut piece, &mut reader)
                .map_err(|error| DataError::file(&self.files.files[index].shown, error))?;
            if ended && piece.last().is_some_and(|last| *last != b'\n') {
                piece.extend_from_slice(if crlf { b"\r\n" } else { b"\n" });
            }
            let end = memchr::memrchr(b'\n', &piece).map_or(piece.len(), |at| at + 1);
            let rest = piece.split_off(end);
            if !piece.is_empty() {
                crlf = piece.ends_with(b"\r\n");
                let piece = self.guarded(piece, &mut at_line_start);
                if self.sender.blocking_send(Ok(piece)).is_err() {
                    return Ok(false);
                }
            }
            if ended {
                break;
            }
            piece = rest;
        }
        if self.in_quote {
            // The server would read on into the next file.
            let place = Place {
                file: self.files.files[index].shown.clone(),
                line: 1,
            };
            return Err(DataError::record(place, "a quote is never closed"));
        }
        Ok(true)
    }

    /// Counts the lines of a piece, and quotes a record that is only `\.`: the server would take
    /// it for the end of the data.
    fn guarded(&mut self, piece: Vec<u8>, at_line_start: &mut bool) -> Bytes {
        let quote = self.dialect.quote;
        let mut cuts = Vec::new();
        for at in memchr::memchr_iter(b'\\', &piece) {
            let starts = match at.checked_sub(1) {
                Some(before) => piece[before] == b'\n',
                None => *at_line_start,
            };
            let ends = matches!(piece[at + 1..], [b'.'] | [b'.', b'\n' | b'\r', ..]);
            let quotes = memchr::memchr_iter(quote, &piece[..at]).count();
            if starts && ends && self.in_quote == (quotes % 2 == 1) {
                cuts.push(at);
            }
        }
        let quotes = memchr::memchr_iter(quote, &piece).count();
        self.in_quote ^= quotes % 2 == 1;
        self.line += memchr::memchr_iter(b'\n', &piece).count() as u64;
        *at_line_start = piece.last() == Some(&b'\n');
        if cuts.is_empty() {
            return piece.into();
        }
        let mut guarded = Vec::with_capacity(piece.len() + 2 * cuts.len());
        let mut from = 0;
        for at in cuts {
            guarded.extend_from_slice(&piece[from..at]);
            guarded.extend_from_slice(&[quote, b'\\', b'.', quote]);
            from = at + 2;
        }
        guarded.extend_from_slice(&piece[from..]);
        guarded.into()
    }
}
