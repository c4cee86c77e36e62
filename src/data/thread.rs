//! Blocking work beside the stream: one thread parses or writes while another sends.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};

use super::place::{Lines, Mark, Places};
use super::{Batch, BatchBuilder, Columns, DataError, Place, RecordSource, Reject, Rejects};

/// Batches on their way between two threads.
const IN_FLIGHT: usize = 4;

/// Something that fills batches, blocking.
pub(super) trait Parser {
    /// The columns of every batch.
    fn columns(&self) -> &Columns;
    /// The names of the files it reads, as people see them.
    fn files(&self) -> Arc<[PathBuf]>;
    /// Adds one row and says where it stands; false at the end. A row that is rejected adds
    /// nothing, and the next one can be read.
    fn row(
        &mut self,
        row: u64,
        builder: &mut BatchBuilder,
        lines: &mut Lines,
    ) -> Result<bool, BadRow>;
}

/// Why a row can't be read.
pub(super) enum BadRow {
    /// It doesn't fit; others may.
    Reject(Box<Reject>),
    /// Reading can't go on.
    Data(DataError),
}

impl From<DataError> for BadRow {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

enum Piece {
    Rows(Batch, Vec<Mark>),
    End,
}

/// A source whose work is done on a thread of its own. Dropping it ends the thread.
pub(super) struct ThreadSource {
    columns: Columns,
    places: Places,
    rows: mpsc::Receiver<Result<Piece, DataError>>,
    ended: bool,
}

impl ThreadSource {
    /// Opens a parser on a new thread. Bad rows go to `rejects`; without them the first is an
    /// error.
    pub(super) async fn open<P: Parser>(
        rejects: Option<Rejects>,
        open: impl FnOnce() -> Result<P, DataError> + Send + 'static,
    ) -> Result<Self, DataError> {
        let (opened, opening) = oneshot::channel();
        let (sender, rows) = mpsc::channel(IN_FLIGHT);
        drop(spawn_blocking(move || match open() {
            Ok(parser) => {
                if opened
                    .send(Ok((parser.columns().clone(), parser.files())))
                    .is_ok()
                {
                    parse(parser, rejects.as_ref(), &sender);
                }
            }
            // Nobody waits any more: nothing to report.
            Err(error) => drop(opened.send(Err(error))),
        }));
        let (columns, files) = opening.await.map_err(|_| broken())??;
        Ok(Self {
            columns,
            places: Places {
                files,
                lines: Lines::default(),
            },
            rows,
            ended: false,
        })
    }
}

fn parse(
    mut parser: impl Parser,
    rejects: Option<&Rejects>,
    sender: &mpsc::Sender<Result<Piece, DataError>>,
) {
    let mut builder = BatchBuilder::new(parser.columns().clone());
    let mut lines = Lines::default();
    let mut row = 0;
    loop {
        let last = match (parser.row(row, &mut builder, &mut lines), rejects) {
            (Ok(true), _) => {
                row += 1;
                None
            }
            (Ok(false), _) => Some(Ok(Piece::End)),
            (Err(BadRow::Reject(reject)), Some(rejects)) => {
                rejects.add(*reject);
                None
            }
            (Err(BadRow::Reject(reject)), None) => Some(Err((*reject).into())),
            (Err(BadRow::Data(error)), _) => Some(Err(error)),
        };
        if last.is_none() && !builder.is_full() {
            continue;
        }
        if !builder.is_empty() {
            let piece = Piece::Rows(builder.take(), lines.take());
            if sender.blocking_send(Ok(piece)).is_err() {
                return;
            }
        }
        if let Some(last) = last {
            // The other side may be gone, which ends this thread just the same.
            let _ = sender.blocking_send(last);
            return;
        }
    }
}

fn broken() -> DataError {
    DataError::Source {
        message: "the thread that reads the records has stopped".to_owned(),
        retryable: true,
    }
}

#[async_trait]
impl RecordSource for ThreadSource {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        if self.ended {
            return Ok(None);
        }
        // A thread that panics closes the channel without an end: never taken for one.
        match self.rows.recv().await.unwrap_or_else(|| Err(broken()))? {
            Piece::Rows(batch, marks) => {
                for mark in marks {
                    self.places.lines.add(mark);
                }
                Ok(Some(batch))
            }
            Piece::End => {
                self.ended = true;
                Ok(None)
            }
        }
    }

    fn place(&self, row: u64) -> Option<Place> {
        self.places.find(row)
    }
}

/// Something that takes batches, blocking.
pub(super) trait Consumer: Send + 'static {
    type Result: Send + 'static;
    fn write(&mut self, batch: &Batch) -> Result<(), DataError>;
    fn finish(self) -> Result<Self::Result, DataError>;
}

enum Order {
    Write(Batch),
    Finish,
}

/// A consumer whose work is done on a thread of its own. Dropped before
/// [`finish`](Self::finish), the consumer is dropped, too.
pub(super) struct ThreadSink<C: Consumer> {
    orders: mpsc::Sender<Order>,
    thread: JoinHandle<Result<Option<C::Result>, DataError>>,
}

impl<C: Consumer> ThreadSink<C> {
    /// Opens a consumer on a new thread.
    pub(super) async fn open(
        open: impl FnOnce() -> Result<C, DataError> + Send + 'static,
    ) -> Result<Self, DataError> {
        let (orders, mut receiver) = mpsc::channel(IN_FLIGHT);
        let (opened, opening) = oneshot::channel();
        let thread = spawn_blocking(move || {
            let mut consumer = match open() {
                Ok(consumer) => consumer,
                Err(error) => {
                    // Nobody waits any more: nothing to report.
                    let _ = opened.send(Err(error));
                    return Ok(None);
                }
            };
            if opened.send(Ok(())).is_err() {
                return Ok(None);
            }
            while let Some(order) = receiver.blocking_recv() {
                match order {
                    Order::Write(batch) => consumer.write(&batch)?,
                    Order::Finish => return consumer.finish().map(Some),
                }
            }
            Ok(None)
        });
        opening.await.map_err(|_| broken_sink())??;
        Ok(Self { orders, thread })
    }

    /// Hands a batch over. An error of an earlier batch comes with a later one or with the end.
    pub(super) async fn write(&mut self, batch: Batch) -> Result<(), DataError> {
        if self.orders.send(Order::Write(batch)).await.is_err() {
            return Err(self.ended().await.err().unwrap_or_else(broken_sink));
        }
        Ok(())
    }

    /// Waits until all is written.
    pub(super) async fn finish(mut self) -> Result<C::Result, DataError> {
        // A thread that is gone says why below.
        let _ = self.orders.send(Order::Finish).await;
        self.ended().await?.ok_or_else(broken_sink)
    }

    async fn ended(&mut self) -> Result<Option<C::Result>, DataError> {
        (&mut self.thread).await.map_err(|_| broken_sink())?
    }
}

fn broken_sink() -> DataError {
    DataError::Source {
        message: "the thread that writes the records has stopped".to_owned(),
        retryable: true,
    }
}
