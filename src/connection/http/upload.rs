//! The body of a request on its way out.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use reqwest::Body;
use tokio_util::io::ReaderStream;

use super::HttpBody;
use super::cause::Failure;

/// Bodies are sent in pieces of this size, so that it is seen that they move.
const PIECE: usize = 64 << 10;

/// A body that is about to be sent.
pub(super) struct Upload<'a> {
    pub(super) content_type: &'a str,
    /// In bytes.
    pub(super) length: u64,
    pub(super) body: Body,
}

type Pieces = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// Opens a body; `moved` counts the pieces that have left.
///
/// # Errors
/// Its file can't be read.
pub(super) async fn open<'a>(
    body: &'a HttpBody,
    moved: &Arc<AtomicU64>,
) -> Result<Option<Upload<'a>>, Failure> {
    let (content_type, length, pieces): (_, _, Pieces) = match body {
        HttpBody::Empty => return Ok(None),
        HttpBody::Bytes {
            content_type,
            bytes,
        } => {
            let length = bytes.len() as u64;
            if bytes.len() <= PIECE {
                return Ok(Some(Upload {
                    content_type,
                    length,
                    body: bytes.clone().into(),
                }));
            }
            let mut rest = bytes.clone();
            let pieces = std::iter::from_fn(move || {
                let piece = rest.split_to(rest.len().min(PIECE));
                (!piece.is_empty()).then_some(Ok(piece))
            });
            (
                content_type,
                length,
                Box::pin(futures_util::stream::iter(pieces)),
            )
        }
        HttpBody::File { content_type, path } => {
            let failed = |error: std::io::Error| {
                Failure::permanent(format!("`{}` can't be sent: {error}", path.display()))
            };
            let file = tokio::fs::File::open(path).await.map_err(failed)?;
            let length = file.metadata().await.map_err(failed)?.len();
            let pieces = ReaderStream::with_capacity(file, PIECE);
            (content_type, length, Box::pin(pieces))
        }
    };
    let moved = Arc::clone(moved);
    let counted = pieces.inspect(move |_| {
        moved.fetch_add(1, Ordering::Relaxed);
    });
    Ok(Some(Upload {
        content_type,
        length,
        body: Body::wrap_stream(counted),
    }))
}

/// Waits as long as the body moves, and then for the answer. `None` when neither comes.
pub(super) async fn patiently<T>(
    answer: impl Future<Output = T>,
    patience: Duration,
    moved: &AtomicU64,
) -> Option<T> {
    let mut answer = pin!(answer);
    let mut before = 0;
    loop {
        if let Ok(answer) = tokio::time::timeout(patience, &mut answer).await {
            return Some(answer);
        }
        let now = moved.load(Ordering::Relaxed);
        if now == before {
            return None;
        }
        before = now;
    }
}
