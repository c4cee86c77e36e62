//! Logs read side by side, in the order of time.

use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::PathBuf;

use super::print::Printer;
use crate::model::Timestamp;
use crate::operate::log::LogFile;

/// A line of a log.
pub struct Line<'a> {
    pub file: &'a LogFile,
    /// `None`: the line is damaged.
    pub at: Option<Timestamp>,
    pub level: String,
    pub text: String,
}

/// Takes `2026-08-20T14:02:03.123Z info  text` apart.
fn line<'a>(file: &'a LogFile, bytes: &[u8]) -> Line<'a> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches('\n');
    let parts = text.split_once(' ').and_then(|(time, rest)| {
        let at: Timestamp = time.parse().ok()?;
        let (level, text) = rest.split_at_checked(5)?;
        let text = text.strip_prefix(' ').unwrap_or(text);
        Some((at, level.trim_end().to_owned(), text.to_owned()))
    });
    match parts {
        Some((at, level, text)) => Line {
            file,
            at: Some(at),
            level,
            text,
        },
        None => Line {
            file,
            at: None,
            level: String::new(),
            text: text.to_owned(),
        },
    }
}

/// A log that is being read, next to the others by the time of its next line. It is opened when
/// its turn comes: there may be more of them than a process may have open.
struct Reading<'a> {
    /// The time of `next`, or before that when the log begins.
    at: Timestamp,
    order: usize,
    file: &'a LogFile,
    reader: Option<BufReader<File>>,
    next: Option<Line<'a>>,
}

impl Ord for Reading<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // The greatest is the oldest.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Reading<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Reading<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Reading<'_> {}

/// Prints all logs in the order of time, and says how far each was read.
pub fn print_so_far(
    files: &[LogFile],
    tail: Option<usize>,
    printer: &mut Printer,
) -> anyhow::Result<HashMap<PathBuf, u64>> {
    let mut read = HashMap::new();
    let mut last: VecDeque<Line<'_>> = VecDeque::new();
    let mut heap: BinaryHeap<Reading<'_>> = files
        .iter()
        .enumerate()
        .map(|(order, file)| Reading {
            at: file.started,
            order,
            file,
            reader: None,
            next: None,
        })
        .collect();
    while let Some(mut log) = heap.pop() {
        if let Some(line) = log.next.take() {
            match tail {
                None => printer.print(&line)?,
                Some(0) => {}
                Some(most) => {
                    if last.len() == most {
                        last.pop_front();
                    }
                    last.push_back(line);
                }
            }
        }
        let reader = match &mut log.reader {
            Some(reader) => reader,
            None => match File::open(&log.file.path) {
                Ok(file) => log.reader.insert(BufReader::new(file)),
                // It has logged nothing.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(unreadable(log.file, &error)),
            },
        };
        let mut bytes = Vec::new();
        let length = reader
            .read_until(b'\n', &mut bytes)
            .map_err(|error| unreadable(log.file, &error))?;
        // A line without an end is being written.
        if length == 0 || !bytes.ends_with(b"\n") {
            continue;
        }
        *read.entry(log.file.path.clone()).or_insert(0) += length as u64;
        let next = line(log.file, &bytes);
        log.at = next.at.unwrap_or(log.at);
        log.next = Some(next);
        heap.push(log);
    }
    for line in &last {
        printer.print(line)?;
    }
    Ok(read)
}

/// Reads the lines of a log from a place on, and says up to where.
pub fn grown<'a>(file: &'a LogFile, from: u64, lines: &mut Vec<Line<'a>>) -> anyhow::Result<u64> {
    let mut open = match File::open(&file.path) {
        Ok(open) => open,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(from),
        Err(error) => return Err(unreadable(file, &error)),
    };
    if open.metadata().map_or(0, |metadata| metadata.len()) <= from {
        return Ok(from);
    }
    open.seek(SeekFrom::Start(from))
        .map_err(|error| unreadable(file, &error))?;
    let mut reader = BufReader::new(open);
    let mut at = from;
    loop {
        let mut bytes = Vec::new();
        let length = reader
            .read_until(b'\n', &mut bytes)
            .map_err(|error| unreadable(file, &error))?;
        if length == 0 || !bytes.ends_with(b"\n") {
            return Ok(at);
        }
        at += length as u64;
        lines.push(line(file, &bytes));
    }
}

fn unreadable(file: &LogFile, error: &std::io::Error) -> anyhow::Error {
    anyhow::anyhow!("{}: {error}", file.path.display())
}
