//! Messages up to an end, as one stream of records.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use super::begin::begins;
use super::feed::{Bound, Feed};
use super::gather::{Origin, Piece};
use super::hand::{Answer, Begin};
use super::letters::{DeadLetters, Letter};
use super::outbox::Progress;
use super::reader::{Event, Reader};
use crate::connection::kafka::{KafkaCluster, NotePlace, Partition, Position};
use crate::data::decode::Segment;
use crate::data::ndjson::Wanted;
use crate::data::{
    Batch, BatchBuilder, Column, ColumnKind, Columns, DataError, Place, RecordSource, Reject,
    Rejects,
};
use crate::task::{AttemptContext, TaskFailure};

/// The messages of a topic up to an end. The group is told how far it has come by
/// [`finish`](Self::finish), and with it where this attempt began: a later attempt of the same task
/// reads the same messages again.
pub(in crate::task) struct Messages<'a> {
    feed: &'a Feed,
    bound: Bound,
    cluster: &'a KafkaCluster,
    attempt: &'a AttemptContext,
    reader: Reader,
    rejects: Option<Rejects>,
    letters: Option<DeadLetters>,
    /// Where each partition ended when the attempt began.
    ends: BTreeMap<i32, i64>,
    /// Where each partition began, and where it goes on.
    places: BTreeMap<i32, (i64, i64)>,
    columns: Columns,
    ready: VecDeque<Batch>,
    /// Where the rows of the batch handed out last and of those that are ready come from.
    origins: Vec<Origin>,
    /// Rows before them.
    before: u64,
    /// Rows of the batch handed out last.
    handed: usize,
    ended: bool,
    read: Read,
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::task) struct Read {
    pub(in crate::task) messages: u64,
    pub(in crate::task) rejected: u64,
    pub(in crate::task) bytes: u64,
}

impl<'a> Messages<'a> {
    /// Joins the group and reads the first messages, which tell the columns.
    ///
    /// # Errors
    /// The topic doesn't exist; no broker answers; the first bad message, without `rejects`.
    pub(in crate::task) async fn open(
        feed: &'a Feed,
        attempt: &'a AttemptContext,
        wanted: Wanted,
        rejects: Option<Rejects>,
    ) -> Result<Self, TaskFailure> {
        let bound = feed.bind(attempt)?;
        let cluster = feed.cluster(attempt)?;
        let ends = cluster.bounds(&bound.topic).await?;
        let letters = match &bound.dead_letter {
            Some(to) => Some(DeadLetters::open(cluster, &bound.topic, to).await?),
            None => None,
        };
        let count = bound.until.count();
        let names = match &wanted {
            Wanted::Keys { keys, .. } => keys.clone(),
            Wanted::Columns(_) | Wanted::All => Vec::new(),
        };
        let reading = feed.reading(&bound, wanted, count);
        let mut messages = Self {
            reader: Reader::open(cluster, reading).await?,
            feed,
            bound,
            cluster,
            attempt,
            rejects,
            letters,
            ends: ends
                .into_iter()
                .map(|(number, bounds)| (number, bounds.high))
                .collect(),
            places: BTreeMap::new(),
            columns: Columns::default(),
            ready: VecDeque::new(),
            origins: Vec::new(),
            before: 0,
            handed: 0,
            ended: false,
            read: Read::default(),
        };
        while messages.ready.is_empty() && !messages.ended {
            messages.step().await?;
        }
        if messages.columns.is_empty() {
            // Without any message the mapping still finds its columns.
            messages.columns = names.iter().map(|name| Column::text(name)).collect();
        }
        Ok(messages)
    }

    /// What was read so far.
    pub(in crate::task) fn read(&self) -> Read {
        self.read
    }

    /// Tells the group how far it has come, when what was read is where it should be.
    ///
    /// # Errors
    /// The partitions belong to another consumer by now; no broker answers.
    pub(in crate::task) async fn finish(self) -> Result<(), TaskFailure> {
        let noted: Vec<_> = self
            .noted()
            .into_iter()
            .map(|(place, note)| (place.partition.number, place.next, note))
            .collect();
        if !noted.is_empty() {
            self.reader.commit_noted(noted).await?;
        }
        self.reader.close().await;
        Ok(())
    }

    /// How far it has come, for a transaction that tells the group.
    ///
    /// # Errors
    /// The cluster can't be had.
    pub(in crate::task) async fn progress(&self) -> Result<Progress, TaskFailure> {
        let place = NotePlace {
            group: self.bound.group.clone(),
            partition: Partition::new(&self.bound.topic, 0),
        };
        Ok(Progress {
            group: self.cluster.note_keeper(&place).await?,
            noted: self.noted(),
        })
    }

    /// Leaves the group, which knows how far it has come.
    pub(in crate::task) async fn leave(self) {
        self.reader.close().await;
    }

    /// How far it has come, with notes where it began.
    fn noted(&self) -> Vec<(Position, String)> {
        let key = self.attempt.idempotency_key();
        self.places
            .iter()
            .map(|(number, (from, next))| {
                let note = json!({ "attempt": key, "from": from }).to_string();
                let partition = Partition::new(&self.bound.topic, *number);
                let next = *next;
                (Position { partition, next }, note)
            })
            .collect()
    }

    async fn step(&mut self) -> Result<(), TaskFailure> {
        match self.reader.next().await {
            Event::Assigned { partitions, answer } => self.assigned(&partitions, &answer).await?,
            Event::Revoked {
                partitions, answer, ..
            } => {
                let gone = partitions.iter().any(|number| {
                    let place = self.places.get(number);
                    place.is_some_and(|(from, next)| next > from)
                });
                // The thread may be gone by now.
                let _ = answer.send(());
                if gone {
                    return Err(TaskFailure::retryable(
                        "another consumer of the group has taken partitions of which messages \
                         were read already",
                    ));
                }
                for number in &partitions {
                    self.places.remove(number);
                }
            }
            Event::Piece(piece) => self.take(Arc::from(piece)).await?,
            Event::End => self.ended = true,
            Event::Failed(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn assigned(&mut self, partitions: &[i32], answer: &Answer) -> Result<(), TaskFailure> {
        let stored = self
            .cluster
            .stored(&self.bound.group, &self.bound.topic)
            .await?;
        let key = self.attempt.idempotency_key();
        let known: Vec<(i32, i64)> = stored
            .into_iter()
            .map(|stored| {
                let note: Json = serde_json::from_str(&stored.note).unwrap_or_default();
                let own = note.get("attempt").and_then(Json::as_str) == Some(&key);
                let from = note.get("from").and_then(Json::as_i64).filter(|_| own);
                (stored.partition, from.unwrap_or(stored.next))
            })
            .collect();
        let (bound, truncated) = (&self.bound, self.feed.truncated);
        let log = &self.attempt.log;
        let begins = begins(self.cluster, bound, &known, partitions, truncated, log).await;
        let begins = match begins {
            Ok(begins) => begins,
            Err(failure) => {
                let _ = answer.send(Err(failure.cause.message.to_string()));
                return Err(failure);
            }
        };
        for (partition, offset) in &begins {
            self.places.insert(*partition, (*offset, *offset));
        }
        let end = |partition: &i32| self.ends.get(partition).copied().unwrap_or(i64::MAX);
        let begin = |(partition, offset): &(i32, i64)| Begin {
            offset: *offset,
            end: end(partition),
        };
        // A thread that is gone tells so itself.
        let _ = answer.send(Ok(begins.iter().map(begin).collect()));
        Ok(())
    }

    async fn take(&mut self, piece: Arc<Piece>) -> Result<(), TaskFailure> {
        for (partition, (_, next)) in &piece.moves {
            if let Some(place) = self.places.get_mut(partition) {
                place.1 = *next;
            }
        }
        self.read.messages += piece.messages;
        self.read.bytes += piece.bytes;
        let mut letters = Vec::new();
        for bad in &piece.bad {
            let reject = Reject {
                place: Some(self.place_of(bad.origin)),
                column: None,
                value: None,
                reason: bad.reason.clone(),
                record: String::new(),
            };
            self.read.rejected += 1;
            match (&self.letters, &self.rejects) {
                (Some(_), _) => {
                    self.attempt.log.warn(DataError::from(reject).to_string());
                    letters.push(Letter {
                        origin: bad.origin,
                        column: None,
                        reason: bad.reason.clone(),
                    });
                }
                (None, Some(rejects)) => rejects.add(reject),
                (None, None) => return Err(DataError::from(reject).into()),
            }
        }
        if let Some(dead) = self.letters.as_ref().filter(|_| !letters.is_empty()) {
            dead.send(&piece, letters).await?;
        }
        let mut row = 0;
        for segment in &piece.segments {
            if self.columns.is_empty() {
                self.columns = segment.columns.clone();
            }
            let origins = &piece.origins[row..row + segment.rows()];
            row += segment.rows();
            self.fit(segment, origins)?;
        }
        Ok(())
    }

    /// Adds rows, with the columns of the first ones.
    fn fit(&mut self, segment: &Segment, origins: &[Origin]) -> Result<(), TaskFailure> {
        if segment.columns == self.columns {
            self.ready.extend(segment.batches.iter().cloned());
            self.origins.extend_from_slice(origins);
            return Ok(());
        }
        let at: Vec<Option<usize>> = self
            .columns
            .iter()
            .map(|column| {
                segment
                    .columns
                    .iter()
                    .position(|own| own.name == column.name)
            })
            .collect();
        let new = segment
            .columns
            .iter()
            .position(|own| self.columns.iter().all(|column| column.name != own.name));
        let mut builder = BatchBuilder::new(self.columns.clone());
        let mut origins = origins.iter();
        for batch in &segment.batches {
            for row in 0..batch.rows() {
                let Some(origin) = origins.next() else { break };
                if let Some(column) = new.filter(|column| batch.cell(row, *column).is_some()) {
                    let name = &segment.columns[column].name;
                    let reject = Reject {
                        place: Some(self.place_of(*origin)),
                        column: Some(name.to_string()),
                        value: None,
                        reason: "is new, no earlier message has it: name what to take under \
                                 `columns:`"
                            .to_owned(),
                        record: Json::Object(batch.row_as_json(row)).to_string(),
                    };
                    let Some(rejects) = &self.rejects else {
                        return Err(DataError::from(reject).into());
                    };
                    rejects.add(reject);
                    continue;
                }
                for (column, at) in self.columns.iter().zip(&at) {
                    let cell = at.and_then(|at| batch.cell(row, at));
                    let own = at.map(|at| segment.columns[at].kind);
                    match cell {
                        Some(text)
                            if column.kind == ColumnKind::Json && own == Some(ColumnKind::Text) =>
                        {
                            let quoted = Json::from(String::from_utf8_lossy(text)).to_string();
                            builder.push(Some(quoted.as_bytes()));
                        }
                        cell => builder.push(cell),
                    }
                }
                self.origins.push(*origin);
            }
        }
        if !builder.is_empty() {
            self.ready.push_back(builder.take());
        }
        Ok(())
    }

    fn place_of(&self, origin: Origin) -> Place {
        Place {
            file: PathBuf::from(format!("{}[{}]", self.bound.topic, origin.partition)),
            line: u64::try_from(origin.offset).unwrap_or_default(),
        }
    }
}

#[async_trait]
impl RecordSource for Messages<'_> {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                self.origins.drain(..self.handed);
                self.before += self.handed as u64;
                self.handed = batch.rows();
                self.attempt
                    .progress
                    .add(batch.rows() as u64, batch.bytes() as u64);
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            self.step().await.map_err(|failure| DataError::Source {
                retryable: failure.cause.kind == crate::model::FailureKind::Retryable,
                message: failure.cause.message.to_string(),
            })?;
        }
    }

    fn place(&self, row: u64) -> Option<Place> {
        let row = row.checked_sub(self.before)?;
        let origin = self.origins.get(usize::try_from(row).ok()?)?;
        Some(self.place_of(*origin))
    }
}
