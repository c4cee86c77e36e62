//! The body of an answer, as it arrives.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::io::StreamReader;

use super::cause::{Failure, reason};
use super::journal::Journal;
use super::unpack::{Packing, unpack};
use super::{HttpError, Sending};
use crate::document::units::format_duration;

type Raw = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// What is unpacked at once.
const PIECE: usize = 64 << 10;

/// A body within its limits: bytes, time, and the length that was announced.
pub struct HttpStream {
    source: Source,
    /// What it may take yet, as far as its reader isn't the one who takes it.
    left: Duration,
    /// Since when a piece is waited for, also when the waiting was given up in between.
    waiting: Option<Instant>,
    limit: u64,
    received: u64,
    repeatable: bool,
    around: Sending,
    journal: Journal,
}

enum Source {
    Plain(Raw),
    Packed(Pin<Box<dyn AsyncRead + Send>>),
    /// It has ended, well or not.
    Ended,
}

/// What a body is read within.
pub(super) struct Limits {
    pub(super) left: Duration,
    pub(super) read_timeout: Duration,
    /// As sent, and again as unpacked.
    pub(super) bytes: u64,
    pub(super) repeatable: bool,
}

impl std::fmt::Debug for HttpStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpStream")
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl HttpStream {
    pub(super) fn new(
        response: reqwest::Response,
        layers: &[Packing],
        limits: &Limits,
        around: &Sending,
        journal: Journal,
    ) -> Self {
        let wire = Arc::clone(&journal.wire);
        let raw = raw(response, limits.read_timeout, limits.bytes, wire);
        let source = if layers.is_empty() {
            Source::Plain(raw)
        } else {
            let reader =
                StreamReader::new(raw.map_err(|failure| std::io::Error::other(Wrapped(failure))));
            Source::Packed(unpack(reader, layers))
        };
        Self {
            source,
            left: limits.left,
            waiting: None,
            limit: limits.bytes,
            received: 0,
            repeatable: limits.repeatable,
            around: around.clone(),
            journal,
        }
    }

    /// The next bytes, unpacked; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// The body stalls, takes too long, is cut short, is longer than the limit or can't be unpacked;
    /// the attempt was cancelled. After an error there is nothing more.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        let step = self.step().await;
        step.map_err(|failure| self.told(&failure))
    }

    fn told(&self, failure: &Failure) -> HttpError {
        let message = format!("{}: {}", self.journal.name, failure.reason);
        HttpError {
            message: self.around.masker.mask(&message),
            retryable: failure.transient && self.repeatable,
            retry_after: None,
            status: None,
        }
    }

    /// The next bytes; the last step is told to the log.
    async fn step(&mut self) -> Result<Option<Bytes>, Failure> {
        let next = self.next().await;
        match &next {
            Ok(Some(_)) => {}
            Ok(None) => self.end(None),
            Err(failure) => self.end(Some(&failure.reason)),
        }
        next
    }

    fn end(&mut self, reason: Option<&str>) {
        self.source = Source::Ended;
        self.journal.end(self.received, reason);
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let deadline = since + self.left;
        let read = async {
            match &mut self.source {
                Source::Plain(raw) => raw.next().await.transpose(),
                Source::Packed(reader) => {
                    let mut piece = BytesMut::with_capacity(PIECE);
                    match reader.read_buf(&mut piece).await {
                        Ok(0) => Ok(None),
                        Ok(_) => Ok(Some(piece.freeze())),
                        Err(error) => Err(of_unpacking(&error)),
                    }
                }
                Source::Ended => Ok(None),
            }
        };
        let read = tokio::select! {
            biased;
            () = self.around.cancel.cancelled() => Err(Failure::cancelled()),
            read = timeout_at(deadline, read) => read.unwrap_or_else(|_| Err(too_long())),
        };
        self.waiting = None;
        self.left = self.left.saturating_sub(since.elapsed());
        let chunk = read?;
        self.received += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.received > self.limit {
            return Err(over(self.limit));
        }
        Ok(chunk)
    }

    /// Bytes received so far, unpacked.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Bytes received so far, as they were sent.
    #[must_use]
    pub fn received_packed(&self) -> u64 {
        self.journal.wire.load(Ordering::Relaxed)
    }

    /// Reads the rest into memory.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk); the body is longer than `limit` bytes.
    pub async fn whole(&mut self, limit: u64) -> Result<Bytes, HttpError> {
        let whole = self.whole_or(limit).await;
        whole.map_err(|failure| self.told(&failure))
    }

    pub(super) async fn whole_or(&mut self, limit: u64) -> Result<Bytes, Failure> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.step().await? {
            if (whole.len() + chunk.len()) as u64 > limit {
                let reason =
                    format!("the body is longer than the {limit} bytes that it may have here");
                self.end(Some(&reason));
                return Err(Failure::permanent(reason));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// The rest as a stream, which ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, HttpError>> + Send + Unpin {
        Box::pin(futures_util::stream::unfold(self, async |mut body| {
            let next = body.chunk().await.transpose()?;
            Some((next, body))
        }))
    }

    /// The rest as a reader; its errors carry the [`HttpError`] ([`std::io::Error::get_ref`]).
    pub fn into_reader(self) -> impl AsyncRead + Send + Unpin {
        StreamReader::new(self.into_stream().map_err(std::io::Error::other))
    }
}

/// Why a request that takes longer than it may is left.
pub(super) fn too_long() -> Failure {
    Failure::transient("it took longer than `timeout` allows")
}

pub(super) fn over(limit: u64) -> Failure {
    Failure::permanent(format!(
        "the body is longer than `body_limit`, {limit} bytes"
    ))
}

/// The body as it is sent.
fn raw(
    response: reqwest::Response,
    read_timeout: Duration,
    limit: u64,
    wire: Arc<AtomicU64>,
) -> Raw {
    let step = move |mut response: reqwest::Response| {
        let wire = Arc::clone(&wire);
        async move {
            let chunk = match timeout(read_timeout, response.chunk()).await {
                Ok(Ok(chunk)) => chunk?,
                Ok(Err(error)) => {
                    let reason = format!("the body was cut short: {}", reason(&error));
                    return Some((Err(Failure::transient(reason)), response));
                }
                Err(_) => {
                    let silence = format_duration(read_timeout);
                    let reason = format!("no byte of the body for {silence}");
                    return Some((Err(Failure::transient(reason)), response));
                }
            };
            let length = chunk.len() as u64;
            if wire.fetch_add(length, Ordering::Relaxed) + length > limit {
                return Some((Err(over(limit)), response));
            }
            Some((Ok(chunk), response))
        }
    };
    Box::pin(futures_util::stream::unfold(response, step))
}

/// Carries a failure through the reader of an unpacker.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.reason)]
struct Wrapped(Failure);

fn of_unpacking(error: &std::io::Error) -> Failure {
    let carried = error.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(Wrapped(failure)) = carried {
        return failure.clone();
    }
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            Failure::transient("the body was cut short: its packing has no end")
        }
        _ => Failure::permanent(format!("the body can't be unpacked: {error}")),
    }
}
