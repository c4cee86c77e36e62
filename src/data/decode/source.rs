//! Documents in, records out: decoded on a thread of its own.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::document::{Decoder, Document, DocumentEnd, Order, Rows};
use super::notation::Decoding;
use crate::data::{Batch, Columns, DataError, Place, RecordSource, Rejects};

/// Chunks on their way to the decoder.
const CHUNKS: usize = 32;
/// Batches on their way back.
const BATCHES: usize = 4;
/// Places that are kept at most: one for each document and for each row behind a reject.
const MOST_PLACES: usize = 10_000;

/// Where documents are put, in order: [`begin`](Self::begin), [`chunk`](Self::chunk) …,
/// [`end`](Self::end), and [`keep`](Self::keep) for one that is withheld.
pub struct Feed {
    orders: mpsc::Sender<Order>,
    done: Option<oneshot::Receiver<Result<DocumentEnd, DataError>>>,
}

impl Feed {
    /// Announces a document.
    ///
    /// # Errors
    /// The decoder is gone.
    pub async fn begin(&mut self, document: Document) -> Result<(), DataError> {
        let (sender, done) = oneshot::channel();
        self.done = Some(done);
        self.order(Order::Begin(document, sender)).await
    }

    /// Hands over the next bytes of the document.
    ///
    /// # Errors
    /// The document can't be decoded: no more of it is wanted.
    pub async fn chunk(&mut self, bytes: Bytes) -> Result<(), DataError> {
        let Some(done) = &mut self.done else {
            return Err(broken());
        };
        tokio::select! {
            biased;
            // Only a mistake ends a document before its end.
            ended = &mut *done => {
                self.done = None;
                let _ = self.orders.send(Order::End).await;
                Err(ended.map_err(|_| broken()).and_then(|ended| ended).err().unwrap_or_else(broken))
            }
            sent = self.orders.send(Order::Chunk(bytes)) => sent.map_err(|_| broken()),
        }
    }

    /// Ends the document and waits until it is decoded.
    ///
    /// # Errors
    /// The document can't be decoded.
    pub async fn end(&mut self) -> Result<DocumentEnd, DataError> {
        self.order(Order::End).await?;
        match self.done.take() {
            Some(done) => done.await.map_err(|_| broken())?,
            None => Err(broken()),
        }
    }

    /// Says whether the rows that were held back are kept. Only after [`end`](Self::end) without an
    /// error.
    ///
    /// # Errors
    /// The decoder is gone.
    pub async fn keep(&mut self, keep: bool) -> Result<(), DataError> {
        self.order(Order::Keep(keep)).await
    }

    async fn order(&mut self, order: Order) -> Result<(), DataError> {
        self.orders.send(order).await.map_err(|_| broken())
    }
}

/// The records of the documents that a feeder puts into a [`Feed`]. The feeder works while records
/// are waited for; dropping the source drops it, too.
pub struct Decoded<'a> {
    columns: Columns,
    rows: mpsc::Receiver<Rows>,
    feeder: Option<BoxFuture<'a, Result<(), DataError>>>,
    /// How the feeder ended, told behind the last row.
    failure: Option<DataError>,
    places: VecDeque<(u64, Place)>,
}

impl<'a> Decoded<'a> {
    /// Starts the feeder, and waits until the columns are known. Records that don't fit go to
    /// `rejects`; without them the first is an error.
    ///
    /// # Errors
    /// What the feeder fails with.
    pub async fn open(
        decoding: Decoding,
        rejects: Option<Rejects>,
        feeder: impl FnOnce(Feed) -> BoxFuture<'a, Result<(), DataError>>,
    ) -> Result<Self, DataError> {
        let (orders, receiver) = mpsc::channel(CHUNKS);
        let (settled, mut settling) = oneshot::channel();
        let (sender, rows) = mpsc::channel(BATCHES);
        let decoder = Decoder::new(decoding, rejects, settled, sender);
        drop(spawn_blocking(move || decoder.run(receiver)));
        let mut feeder = feeder(Feed { orders, done: None });
        let mut source = Self {
            columns: Columns::default(),
            rows,
            feeder: None,
            failure: None,
            places: VecDeque::new(),
        };
        let columns = tokio::select! {
            biased;
            columns = &mut settling => {
                source.feeder = Some(feeder);
                columns
            }
            ended = &mut feeder => {
                // The channel of orders is closed by now, which settles the columns.
                drop(feeder);
                ended?;
                settling.await
            }
        };
        source.columns = columns.map_err(|_| broken())?;
        Ok(source)
    }
}

#[async_trait]
impl RecordSource for Decoded<'_> {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        let rows = loop {
            let Some(feeder) = &mut self.feeder else {
                break self.rows.recv().await;
            };
            tokio::select! {
                biased;
                rows = self.rows.recv() => break rows,
                ended = feeder => {
                    self.feeder = None;
                    self.failure = ended.err();
                }
            }
        };
        match rows {
            Some(Rows { batch, places }) => {
                self.places.extend(places);
                while self.places.len() > MOST_PLACES {
                    self.places.pop_front();
                }
                Ok(Some(batch))
            }
            None => match self.failure.take() {
                Some(error) => Err(error),
                // A decoder that panics closes the channel while it is still fed.
                None if self.feeder.is_some() => Err(broken()),
                None => Ok(None),
            },
        }
    }

    fn place(&self, row: u64) -> Option<Place> {
        let after = self.places.partition_point(|(first, _)| *first <= row);
        let (first, place) = self.places.get(after.checked_sub(1)?)?;
        Some(Place {
            line: place.line + (row - first),
            file: place.file.clone(),
        })
    }
}

fn broken() -> DataError {
    DataError::Source {
        message: "the thread that decodes the records has stopped".to_owned(),
        retryable: true,
    }
}
