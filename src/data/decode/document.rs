//! One document after the other, on the thread that decodes.

use std::collections::VecDeque;
use std::path::PathBuf;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::body::{self, Stop};
use super::notation::{Decoding, Notation};
use super::row::RowDecoder;
use crate::data::json::{Chunks, RecordsPath};
use crate::data::{Batch, BatchBuilder, Columns, DataError, Place, Reject, Rejects};

/// Records that are looked at before the columns are settled, and their bytes; fewer when the first
/// document with records has fewer.
const PEEK_RECORDS: usize = 1000;
const PEEK_BYTES: usize = 1024 * 1024;

/// A document that is about to come.
#[derive(Debug, Clone)]
pub struct Document {
    /// What messages call it: `GET https://…`.
    pub name: String,
    pub notation: Notation,
    /// The values of [`Decoding::extra`].
    pub extra: Vec<Option<Vec<u8>>>,
    /// Whether its rows are held back until they are [kept](super::Feed::keep): then a document
    /// that turns out to be bad leaves none.
    pub withhold: bool,
}

/// How a document ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentEnd {
    /// How many records it had, with those that were rejected.
    pub records: u64,
    /// A JSON document without its records: each array of them is `[]`. Without a path to the
    /// records, the document. `None` when it is longer than [`Decoding::beside`].
    pub beside: Option<String>,
    /// Why there is no record, when the path leads nowhere.
    pub missing: Option<String>,
}

pub(super) enum Order {
    Begin(Document, oneshot::Sender<Result<DocumentEnd, DataError>>),
    Chunk(Bytes),
    End,
    /// Whether the rows that were held back are kept.
    Keep(bool),
}

/// Rows on their way to whoever reads them.
pub(super) struct Rows {
    pub(super) batch: Batch,
    /// The document they come from, and the number of the first of them in it, from 1. Between
    /// them may be records that were rejected.
    pub(super) places: Vec<(u64, Place)>,
}

/// The decoder of a stream of documents.
pub(super) struct Decoder {
    pub(super) decoding: Decoding,
    pub(super) rejects: Option<Rejects>,
    pub(super) rows: RowDecoder,
    settled: Option<oneshot::Sender<Columns>>,
    out: mpsc::Sender<Rows>,
    builder: Option<BatchBuilder>,
    /// Rows that were handed to the builder, over the whole stream.
    built: u64,
    places: Vec<(u64, Place)>,
    /// Records that were read to settle the columns, and their numbers.
    peeked: VecDeque<(u64, Vec<u8>)>,
    peeked_bytes: usize,
    withheld: Vec<Rows>,
    document: Document,
    /// Records of the document so far.
    pub(super) number: u64,
}

impl Decoder {
    pub(super) fn new(
        decoding: Decoding,
        rejects: Option<Rejects>,
        settled: oneshot::Sender<Columns>,
        out: mpsc::Sender<Rows>,
    ) -> Self {
        let rows = RowDecoder::new(decoding.wanted.clone(), decoding.extra.clone());
        Self {
            decoding,
            rejects,
            rows,
            settled: Some(settled),
            out,
            builder: None,
            built: 0,
            places: Vec::new(),
            peeked: VecDeque::new(),
            peeked_bytes: 0,
            withheld: Vec::new(),
            document: Document {
                name: String::new(),
                notation: Notation::Json,
                extra: Vec::new(),
                withhold: false,
            },
            number: 0,
        }
    }

    /// Decodes what comes until nothing comes any more.
    pub(super) fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(order) = orders.blocking_recv() {
            let Order::Begin(document, done) = order else {
                // The rest of a document that couldn't be decoded.
                continue;
            };
            let withhold = document.withhold;
            let before = self.built;
            self.begin(document);
            let decoded = self.decode(&mut orders);
            let good = decoded.is_ok();
            match decoded {
                Err(Stop::Gone) => return,
                Err(Stop::Data(error)) => drop(done.send(Err(error))),
                Ok(end) => drop(done.send(Ok(end))),
            }
            if withhold {
                let keep = good && matches!(orders.blocking_recv(), Some(Order::Keep(true)));
                if keep {
                    for rows in std::mem::take(&mut self.withheld) {
                        if self.out.blocking_send(rows).is_err() {
                            return;
                        }
                    }
                } else {
                    self.discard(before);
                }
            }
        }
        self.settle();
    }

    fn begin(&mut self, document: Document) {
        self.number = 0;
        self.document = document;
    }

    fn discard(&mut self, before: u64) {
        self.withheld.clear();
        self.places.clear();
        self.peeked.clear();
        self.peeked_bytes = 0;
        if let Some(builder) = &mut self.builder {
            drop(builder.take());
        }
        self.built = before;
    }

    fn decode(&mut self, orders: &mut mpsc::Receiver<Order>) -> Result<DocumentEnd, Stop> {
        let mut ended = false;
        let incoming = Incoming {
            orders,
            ended: &mut ended,
        };
        let end = match self.document.notation {
            Notation::Json => body::json(self, incoming),
            Notation::Ndjson => body::ndjson(self, incoming),
            Notation::Csv => body::csv(self, incoming),
            Notation::Text => body::text(self, incoming),
            Notation::Raw => body::raw(self, incoming),
        }?;
        if !self.peeked.is_empty() {
            self.settle();
            self.decode_peeked()?;
        }
        self.flush()?;
        Ok(end)
    }

    /// What messages call the document.
    pub(super) fn name(&self) -> &str {
        &self.document.name
    }

    pub(super) fn records(&self) -> RecordsPath {
        self.decoding.records.clone()
    }

    /// Takes a record's text, which has been checked to be JSON.
    pub(super) fn record(&mut self, record: &[u8]) -> Result<(), Stop> {
        self.number += 1;
        if self.rows.columns().is_some() {
            self.settle();
            return self.row(
                self.number,
                |rows, extra, builder| rows.decode(record, extra, builder),
                record,
            );
        }
        self.rows.observe(record);
        self.peeked_bytes += record.len();
        self.peeked.push_back((self.number, record.to_vec()));
        if self.peeked.len() >= PEEK_RECORDS || self.peeked_bytes >= PEEK_BYTES {
            self.settle();
            self.decode_peeked()?;
        }
        Ok(())
    }

    /// Takes a record as its fields, whose names are in `header`.
    pub(super) fn fields<'a>(
        &mut self,
        header: &Columns,
        fields: impl Iterator<Item = Option<&'a [u8]>>,
    ) -> Result<(), Stop> {
        self.number += 1;
        if self.rows.columns().is_none() {
            self.rows.settle_as(header.to_vec(), false);
        }
        self.settle();
        self.row(
            self.number,
            |rows, extra, builder| {
                rows.push_fields(header, fields, extra, builder);
                Ok(())
            },
            b"",
        )
    }

    /// Takes the record at hand for one that doesn't fit; it has been counted.
    pub(super) fn reject(&mut self, reason: String, record: &[u8]) -> Result<(), Stop> {
        let reject = Reject {
            place: Some(self.place(self.number)),
            column: None,
            value: None,
            reason,
            record: String::from_utf8_lossy(record).into_owned(),
        };
        match &self.rejects {
            Some(rejects) => {
                rejects.add(reject);
                Ok(())
            }
            None => Err(Stop::Data(reject.into())),
        }
    }

    fn place(&self, number: u64) -> Place {
        Place {
            file: PathBuf::from(&self.document.name),
            line: number,
        }
    }

    fn decode_peeked(&mut self) -> Result<(), Stop> {
        self.peeked_bytes = 0;
        while let Some((number, record)) = self.peeked.pop_front() {
            self.row(
                number,
                |rows, extra, builder| rows.decode(&record, extra, builder),
                &record,
            )?;
        }
        Ok(())
    }

    fn row(
        &mut self,
        number: u64,
        push: impl FnOnce(&mut RowDecoder, &[Option<Vec<u8>>], &mut BatchBuilder) -> Result<(), String>,
        record: &[u8],
    ) -> Result<(), Stop> {
        let rows = &self.rows;
        let builder = self
            .builder
            .get_or_insert_with(|| BatchBuilder::new(rows.columns().cloned().unwrap_or_default()));
        if let Err(reason) = push(&mut self.rows, &self.document.extra, builder) {
            let counted = std::mem::replace(&mut self.number, number);
            let rejected = self.reject(reason, record);
            self.number = counted;
            return rejected;
        }
        let full = builder.is_full();
        // Rows of one document follow each other, apart from those that are rejected.
        let follows = self
            .places
            .last()
            .is_some_and(|(row, place)| place.line + (self.built - row) == number);
        if !follows {
            let place = self.place(number);
            self.places.push((self.built, place));
        }
        self.built += 1;
        if full { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let Some(builder) = self.builder.as_mut().filter(|builder| !builder.is_empty()) else {
            return Ok(());
        };
        let rows = Rows {
            batch: builder.take(),
            places: std::mem::take(&mut self.places),
        };
        if self.document.withhold {
            self.withheld.push(rows);
            return Ok(());
        }
        self.out.blocking_send(rows).map_err(|_| Stop::Gone)
    }

    /// Settles the columns and says what they are.
    fn settle(&mut self) {
        self.rows.settle();
        if let (Some(settled), Some(columns)) = (self.settled.take(), self.rows.columns()) {
            // Nobody waits any more: nothing to say.
            let _ = settled.send(columns.clone());
        }
    }
}

/// The bytes of a document, as they are ordered.
pub(super) struct Incoming<'a> {
    orders: &'a mut mpsc::Receiver<Order>,
    ended: &'a mut bool,
}

/// What an error of [`Incoming`] says: whoever sent the document is gone.
pub(super) const GONE: &str = "the document was given up";

impl Chunks for Incoming<'_> {
    fn next(&mut self) -> Result<Option<Bytes>, DataError> {
        if *self.ended {
            return Ok(None);
        }
        match self.orders.blocking_recv() {
            Some(Order::Chunk(bytes)) => Ok(Some(bytes)),
            Some(Order::End) => {
                *self.ended = true;
                Ok(None)
            }
            Some(Order::Begin(..) | Order::Keep(_)) | None => Err(DataError::Source {
                message: GONE.to_owned(),
                retryable: true,
            }),
        }
    }
}
