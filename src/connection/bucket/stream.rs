//! An object's bytes for a thread that waits for them.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use object_store::GetResult;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Pieces on their way.
const IN_FLIGHT: usize = 4;

/// The body of an answer. It is fetched ahead; dropping this ends that.
pub(super) struct ObjectReader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
    left: u64,
}

impl ObjectReader {
    pub(super) fn new(found: GetResult, runtime: &Handle) -> Self {
        let (sender, pieces) = mpsc::channel(IN_FLIGHT);
        let left = found.range.end - found.range.start;
        let mut body = found.into_stream();
        drop(runtime.spawn(async move {
            while let Some(piece) = body.next().await {
                let piece = piece.map_err(|error| io::Error::other(error.to_string()));
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        }));
        Self {
            pieces,
            current: Bytes::new(),
            left,
        }
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece?,
                None if self.left == 0 => return Ok(0),
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        format!("the store has ended {} bytes too early", self.left),
                    ));
                }
            }
        }
        let count = buffer.len().min(self.current.len());
        buffer[..count].copy_from_slice(&self.current[..count]);
        self.current.advance(count);
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}
