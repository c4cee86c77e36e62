//! The body of an answer, as it arrives.

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::io::AsyncRead;
use tokio::time::{Duration, Instant, timeout, timeout_at};
use tokio_util::io::StreamReader;
use tokio_util::sync::CancellationToken;

use super::HttpError;

/// A body within its limits: bytes, time, and the whole length that was announced.
#[derive(Debug)]
pub struct HttpStream {
    pub(super) response: reqwest::Response,
    /// Method and URL, for messages.
    pub(super) name: String,
    pub(super) deadline: Instant,
    pub(super) read_timeout: Duration,
    pub(super) limit: u64,
    pub(super) received: u64,
    pub(super) repeatable: bool,
    pub(super) cancel: CancellationToken,
}

impl HttpStream {
    /// The next bytes, unpacked; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// The body stalls, is cut short, is longer than the limit, or can't be unpacked; the attempt
    /// was cancelled.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        let next = timeout_at(
            self.deadline,
            timeout(self.read_timeout, self.response.chunk()),
        );
        let next = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err("the attempt was cancelled".to_owned()),
            next = next => match next {
                Ok(Ok(Ok(chunk))) => Ok(chunk),
                Ok(Ok(Err(error))) => Err(error.to_string()),
                Ok(Err(_)) => Err(format!("no byte for {:?}", self.read_timeout)),
                Err(_) => Err("the answer took too long".to_owned()),
            },
        };
        let chunk = next.map_err(|reason| HttpError {
            retryable: self.repeatable,
            ..HttpError::permanent(format!("{}: {reason}", self.name))
        })?;
        self.received += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.received > self.limit {
            return Err(HttpError::permanent(format!(
                "{}: the body is longer than `body_limit`, {} bytes",
                self.name, self.limit
            )));
        }
        Ok(chunk)
    }

    /// Bytes received so far, unpacked.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Reads the rest into memory.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk); the body is longer than `limit` bytes.
    pub async fn whole(&mut self, limit: u64) -> Result<Bytes, HttpError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if (whole.len() + chunk.len()) as u64 > limit {
                return Err(HttpError::permanent(format!(
                    "{}: the body is longer than {limit} bytes, too long for what it is used for",
                    self.name
                )));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// The rest as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, HttpError>> + Send + Unpin {
        Box::pin(futures_util::stream::unfold(Some(self), async |body| {
            let mut body = body?;
            match body.chunk().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(body))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    /// The rest as a reader; an error carries the [`HttpError`].
    pub fn into_reader(self) -> impl AsyncRead + Send + Unpin {
        use futures_util::TryStreamExt as _;
        StreamReader::new(self.into_stream().map_err(std::io::Error::other))
    }
}
