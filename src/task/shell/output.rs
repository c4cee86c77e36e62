//! What a script prints: line by line to the log, in bounded memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;

use super::process::Pipes;
use crate::task::{Level, Log};

/// A longer line is cut into pieces of this many bytes.
const LONGEST_LINE: usize = 64 * 1024;
/// How much of a cut line is kept back, so that a secret at the cut is seen whole.
const KEPT_BACK: usize = 8 * 1024;
/// How much a pipe may still hold when its script has ended; the kernel's own limit is 1 MiB.
const MOST_LEFT: usize = 16 << 20;
/// How many of the last lines of standard error explain a failure.
const TAIL_LINES: usize = 5;
const TAIL_WIDTH: usize = 400;

/// Both outputs of a script.
pub(super) struct Output {
    out: Stream,
    err: Stream,
}

impl Output {
    pub(super) fn new(pipes: Pipes, log: &Log) -> io::Result<Self> {
        Ok(Self {
            out: Stream::new(pipes.out, Level::Out, log)?,
            err: Stream::new(pipes.err, Level::Err, log)?,
        })
    }

    /// Moves what is printed to the log, for ever: a closed pipe says nothing about the script.
    pub(super) async fn pump(&mut self) {
        tokio::join!(self.out.pump(), self.err.pump());
        std::future::pending::<()>().await;
    }

    /// Moves what the pipes still hold to the log, closes them, and gives the last lines of
    /// standard error.
    pub(super) fn finish(mut self) -> Vec<String> {
        self.out.finish();
        self.err.finish();
        self.err.tail.into()
    }
}

struct Stream {
    pipe: Option<Receiver>,
    level: Level,
    log: Log,
    /// The beginning of a line whose end hasn't come yet.
    pending: BytesMut,
    /// The last lines, kept for standard error.
    tail: VecDeque<String>,
}

impl Stream {
    fn new(pipe: Option<OwnedFd>, level: Level, log: &Log) -> io::Result<Self> {
        Ok(Self {
            pipe: pipe.map(Receiver::from_owned_fd).transpose()?,
            level,
            log: log.clone(),
            pending: BytesMut::new(),
            tail: VecDeque::new(),
        })
    }

    async fn pump(&mut self) {
        // A trickle needs little memory, a flood is read faster in large pieces.
        let mut room = 4 * 1024;
        while let Some(pipe) = &mut self.pipe {
            self.pending.reserve(room);
            let before = self.pending.len();
            match pipe.read_buf(&mut self.pending).await {
                Ok(0) => self.pipe = None,
                Ok(length) if length + before >= room => room = LONGEST_LINE,
                Ok(_) => {}
                Err(error) => {
                    self.log.warn(format!("the output can't be read: {error}"));
                    self.pipe = None;
                }
            }
            self.take_lines();
        }
    }

    fn finish(&mut self) {
        if let Some(pipe) = self.pipe.take()
            && let Ok(pipe) = pipe.into_nonblocking_fd()
        {
            // Whatever wrote it has ended, so that it is all there: nothing to wait for. If
            // something escaped and still writes, this ends all the same.
            let mut pipe = File::from(pipe).take(MOST_LEFT as u64);
            let mut piece = [0; 16 * 1024];
            while let Ok(length @ 1..) = pipe.read(&mut piece) {
                self.pending.extend_from_slice(&piece[..length]);
                self.take_lines();
            }
        }
        if !self.pending.is_empty() {
            let rest = self.pending.split();
            self.write(&rest);
        }
    }

    /// Moves the complete lines to the log, and pieces of a line that gets too long.
    fn take_lines(&mut self) {
        if let Some(end) = memchr::memrchr(b'\n', &self.pending) {
            let lines = self.pending.split_to(end + 1);
            self.write(&lines);
        }
        while self.pending.len() > LONGEST_LINE + KEPT_BACK {
            self.cut();
        }
    }

    /// Writes the beginning of a long line and keeps its rest, masked as one text.
    fn cut(&mut self) {
        if self.log.is_full() && self.level == Level::Out {
            self.pending.clear();
            return;
        }
        let whole = complete_characters(&self.pending);
        let text = self
            .log
            .mask(&String::from_utf8_lossy(&self.pending[..whole]));
        let end = text.floor_char_boundary(text.len().saturating_sub(KEPT_BACK).min(LONGEST_LINE));
        let rest = self.pending.split_off(whole);
        self.write(&text.as_bytes()[..end]);
        self.pending.clear();
        self.pending.extend_from_slice(&text.as_bytes()[end..]);
        self.pending.extend_from_slice(&rest);
    }

    fn write(&mut self, lines: &[u8]) {
        let wants_tail = self.level == Level::Err;
        if self.log.is_full() && !wants_tail {
            return;
        }
        let text = String::from_utf8_lossy(lines);
        if wants_tail {
            self.remember(&text);
        }
        if text.lines().all(|line| line.len() <= LONGEST_LINE) {
            self.log.write(self.level, &text);
            return;
        }
        // Masked before it is cut, so that no secret is cut in two.
        for mut line in self.log.mask(&text).lines() {
            while line.len() > LONGEST_LINE {
                let (piece, rest) = line.split_at(line.floor_char_boundary(LONGEST_LINE));
                self.log.write(self.level, piece);
                line = rest;
            }
            self.log.write(self.level, line);
        }
    }

    fn remember(&mut self, text: &str) {
        let last: Vec<&str> = text
            .lines()
            .rev()
            .filter(|line| !line.trim().is_empty())
            .take(TAIL_LINES)
            .collect();
        for line in last.into_iter().rev() {
            if self.tail.len() == TAIL_LINES {
                self.tail.pop_front();
            }
            let masked = self.log.mask(line);
            self.tail
                .push_back(masked.chars().take(TAIL_WIDTH).collect());
        }
    }
}

/// The length without a character whose last bytes haven't come yet.
fn complete_characters(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        let length = match byte {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => continue,
        };
        if at + length > bytes.len() {
            return at;
        }
    }
    bytes.len()
}
