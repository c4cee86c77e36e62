//! One piece, in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::piece::{SegmentSource, origin, place};
use crate::connection::{
    Claim, DatabaseError, HeldPartition, LedgerKey, Loaded, Session, StreamKey, StreamMove,
};
use crate::data::{DataError, RecordSource, Reject, Rejects};
use crate::failpoint::{self, Point};
use crate::task::messages::{DeadLetters, Letter, Piece};
use crate::task::transfer::flow::Flow;
use crate::task::transfer::mapped::Mapped;
use crate::task::transfer::plan::OnError;
use crate::task::transfer::sink::DatabaseSink;
use crate::task::{AttemptContext, TaskFailure};

/// What a stream has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) messages: u64,
    pub(super) rows: u64,
    pub(super) written: u64,
    pub(super) rejected: u64,
    pub(super) bytes: u64,
}

impl Tally {
    fn and(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            rows: self.rows + other.rows,
            written: self.written + other.written,
            rejected: self.rejected + other.rejected,
            bytes: self.bytes + other.bytes,
        }
    }

    /// What the ledger and the task's outputs say.
    pub(super) fn to_json(self, finished: bool) -> Json {
        json!({
            "messages": self.messages,
            "rows": self.rows,
            "written": self.written,
            "rejected": self.rejected,
            "bytes": self.bytes,
            "finished": finished,
        })
    }

    /// What the ledger has said, and whether that was all.
    pub(super) fn from_json(json: &Json) -> (Self, bool) {
        let number = |name: &str| json.get(name).and_then(Json::as_u64).unwrap_or_default();
        let tally = Self {
            messages: number("messages"),
            rows: number("rows"),
            written: number("written"),
            rejected: number("rejected"),
            bytes: number("bytes"),
        };
        let finished = json.get("finished").and_then(Json::as_bool);
        (tally, finished == Some(true))
    }
}

/// Why a piece isn't loaded.
pub(super) enum Unloaded {
    /// Somebody has taken one of its partitions over.
    Stale,
    /// An earlier attempt has come to the end.
    Finished(Tally),
    /// COMMIT was sent, and nobody knows.
    Unknown(DatabaseError),
    Failed(TaskFailure),
    Cancelled,
}

impl<E: Into<TaskFailure>> From<E> for Unloaded {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What loads pieces.
pub(super) struct Loader<'a> {
    pub(super) flow: &'a Flow,
    pub(super) sink: &'a dyn DatabaseSink,
    pub(super) attempt: &'a AttemptContext,
    pub(super) topic: Arc<str>,
    pub(super) stream: StreamKey,
    pub(super) letters: Option<DeadLetters>,
    /// The ledger's key of a stream that ends by itself.
    pub(super) key: Option<LedgerKey>,
}

/// How long the answer of a COMMIT is waited for when the attempt is cancelled.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bad messages of a piece that the log shows one by one.
const SHOWN: usize = 5;

impl Loader<'_> {
    /// Loads a piece and moves its partitions on; `last` ends the stream for all attempts. Gives
    /// what was done by all attempts so far.
    pub(super) async fn load(
        &self,
        session: &mut dyn Session,
        piece: &Arc<Piece>,
        held: &mut BTreeMap<i32, HeldPartition>,
        before: Tally,
        last: bool,
    ) -> Result<Tally, Unloaded> {
        let moves = moves(piece, held).ok_or(Unloaded::Stale)?;
        let stopper = session.stopper();
        let committing = AtomicBool::new(false);
        let cancelled = self.attempt.cancel.cancelled();
        let ended = {
            let work = self.transaction(session, piece, &moves, before, last, &committing);
            tokio::pin!(work);
            tokio::select! {
                ended = &mut work => Some(ended),
                () = cancelled => {
                    if committing.load(Ordering::Relaxed) {
                        // What may be done already isn't called cancelled.
                        tokio::time::timeout(PATIENCE, work).await.ok()
                    } else {
                        None
                    }
                }
            }
        };
        for notice in session.notices() {
            let text = format!("{}: {}", notice.severity, notice.message);
            self.attempt.log.info(text);
        }
        let Some(ended) = ended else {
            stopper.stop().await;
            return Err(Unloaded::Cancelled);
        };
        let tally = ended?;
        for StreamMove { held: old, next } in moves {
            held.insert(old.partition, HeldPartition { next, ..old });
        }
        self.attempt.progress.add(piece.messages, piece.bytes);
        Ok(tally)
    }

    async fn transaction(
        &self,
        session: &mut dyn Session,
        piece: &Arc<Piece>,
        moves: &[StreamMove],
        before: Tally,
        last: bool,
        committing: &AtomicBool,
    ) -> Result<Tally, Unloaded> {
        session.begin().await?;
        let mut before = before;
        if let Some(key) = &self.key
            && let Claim::Done(known) = session.claim(key).await?
        {
            let (known, finished) = Tally::from_json(&known);
            if finished {
                session.rollback().await?;
                return Err(Unloaded::Finished(known));
            }
            before = known;
        }
        // First of all: whoever takes over waits for this transaction from here on.
        if !session.advance(&self.stream, moves).await? {
            session.rollback().await?;
            return Err(Unloaded::Stale);
        }
        let done = before.and(self.records(session, piece).await?);
        if let Some(key) = &self.key {
            session.settle(key, &done.to_json(last)).await?;
        }
        committing.store(true, Ordering::Relaxed);
        failpoint::pass(Point::BeforeLoadCommit);
        match session.commit().await {
            Ok(()) => failpoint::pass(Point::AfterLoadCommit),
            Err(error @ DatabaseError::UnknownCommit { .. }) => {
                return Err(Unloaded::Unknown(error));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(done)
    }

    /// Writes the records of a piece, and sends its bad messages away.
    async fn records(
        &self,
        session: &mut dyn Session,
        piece: &Arc<Piece>,
    ) -> Result<Tally, TaskFailure> {
        let skips = self.letters.is_some() || self.flow.on_error == OnError::Skip;
        let rejects = skips.then(Rejects::kept).transpose()?;
        for bad in &piece.bad {
            let reject = Reject {
                place: Some(place(&self.topic, bad.origin)),
                column: None,
                value: None,
                reason: bad.reason.clone(),
                record: String::new(),
            };
            match &rejects {
                Some(rejects) => rejects.add(reject),
                None => return Err(DataError::from(reject).into()),
            }
        }
        let mut tally = Tally {
            messages: piece.messages,
            bytes: piece.bytes,
            ..Tally::default()
        };
        for source in SegmentSource::of(&self.topic, piece) {
            let loaded = match &rejects {
                Some(rejects) => self.sifted(session, &source, rejects).await?,
                None => self.write(session, source, None).await?,
            };
            tally.rows += loaded.rows;
            tally.written += loaded.written;
        }
        if let Some(rejects) = rejects {
            let rejected = rejects.take();
            tally.rejected = rejected.len() as u64;
            self.bury(piece, rejected).await?;
        }
        Ok(tally)
    }

    /// Writes records without those whose values the database refuses: what is refused as a whole
    /// is halved until the bad ones are found.
    async fn sifted(
        &self,
        session: &mut dyn Session,
        source: &SegmentSource,
        rejects: &Rejects,
    ) -> Result<Loaded, TaskFailure> {
        let mut loaded = Loaded::default();
        // What is to be written, the first at the end.
        let mut parts = Vec::new();
        parts.push(0..source.rows());
        while let Some(part) = parts.pop() {
            session.mark().await?;
            let own = Rejects::kept()?;
            let written = self
                .write(session, source.part(part.clone()), Some(&own))
                .await;
            match written {
                Ok(done) => {
                    session.unmark().await?;
                    loaded.rows += done.rows;
                    loaded.written += done.written;
                    own.take()
                        .into_iter()
                        .for_each(|reject| rejects.add(reject));
                }
                Err(failure) if failure.of_values => {
                    session.undo().await?;
                    if part.len() > 1 {
                        let middle = part.start + part.len() / 2;
                        parts.extend([middle..part.end, part.start..middle]);
                        continue;
                    }
                    let message = &failure.cause.message;
                    rejects.add(Reject {
                        place: source.place(part.start as u64),
                        column: None,
                        value: None,
                        reason: message.lines().next().unwrap_or_default().to_owned(),
                        record: String::new(),
                    });
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(loaded)
    }

    /// Maps and writes records.
    async fn write(
        &self,
        session: &mut dyn Session,
        mut source: SegmentSource,
        rejects: Option<&Rejects>,
    ) -> Result<Loaded, TaskFailure> {
        let (attempt, mapping) = (self.attempt, &self.flow.mapping);
        if mapping.is_nothing() {
            let records: &mut dyn RecordSource = &mut source;
            return self
                .sink
                .write(session, records, rejects, self.flow, attempt)
                .await;
        }
        let scope = attempt.scope.clone();
        let mut mapped = Mapped::open(&mut source, mapping, scope, rejects.cloned()).await?;
        self.sink
            .write(session, &mut mapped, rejects, self.flow, attempt)
            .await
    }

    /// Sends bad messages to the topic of dead letters and says so in the log.
    async fn bury(&self, piece: &Arc<Piece>, rejected: Vec<Reject>) -> Result<(), TaskFailure> {
        let (log, total) = (&self.attempt.log, rejected.len());
        let what = match &self.letters {
            Some(letters) => format!("goes to `{}`", letters.to()),
            None => "is left out".to_owned(),
        };
        let mut buried = BTreeSet::new();
        let mut letters = Vec::new();
        for (at, reject) in rejected.into_iter().enumerate() {
            let found = reject
                .place
                .as_ref()
                .and_then(|place| origin(&self.topic, place));
            let letter = found.map(|origin| Letter {
                origin,
                column: reject.column.clone(),
                reason: match &reject.value {
                    Some(value) => format!("{}: `{value}`", reject.reason),
                    None => reject.reason.clone(),
                },
            });
            if at < SHOWN {
                log.warn(format!("{}: {what}", DataError::from(reject)));
            }
            // Of several bad records in a message the first one says why.
            letters.extend(
                letter.filter(|letter| {
                    buried.insert((letter.origin.partition, letter.origin.offset))
                }),
            );
        }
        if total > SHOWN {
            log.warn(format!("{} more: each {what}", total - SHOWN));
        }
        match &self.letters {
            Some(dead) if !letters.is_empty() => Ok(dead.send(piece, letters).await?),
            _ => Ok(()),
        }
    }
}

/// How a piece moves partitions on; `None` when one of them isn't held any more or doesn't stand
/// where the piece begins.
fn moves(piece: &Piece, held: &BTreeMap<i32, HeldPartition>) -> Option<Vec<StreamMove>> {
    piece
        .moves
        .iter()
        .map(|(partition, (from, next))| {
            let held = *held.get(partition)?;
            (held.next == *from).then_some(StreamMove { held, next: *next })
        })
        .collect()
}
