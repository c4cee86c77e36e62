//! A member of the group, from joining it to leaving it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::load::{Loader, Tally, Unloaded};
use crate::connection::kafka::KafkaCluster;
use crate::connection::{HeldPartition, Session};
use crate::task::TaskFailure;
use crate::task::messages::{Answer, Begin, Bound, Event, Feed, Piece, Reader, Until, begins};

/// How a membership ended.
pub(super) enum Left {
    /// There is nothing more to read, and the ledger knows.
    Finished(Tally),
    /// Somebody else has taken a partition over.
    Stale,
    /// The connection was lost, or a broker: it may come back.
    Lost(TaskFailure),
    Failed(TaskFailure),
    Cancelled,
}

/// A member of the group that loads what it reads.
pub(super) struct Member<'a> {
    pub(super) loader: &'a Loader<'a>,
    pub(super) feed: &'a Feed,
    pub(super) bound: &'a Bound,
    pub(super) cluster: &'a KafkaCluster,
    pub(super) session: Box<dyn Session>,
    /// The partitions that are its own.
    pub(super) held: BTreeMap<i32, HeldPartition>,
    /// Where each partition ended when the task began.
    pub(super) ends: &'a BTreeMap<i32, i64>,
    /// What was done so far by all attempts.
    pub(super) tally: Tally,
    /// When the log was told last.
    pub(super) told: Instant,
}

/// How often the log says how far a stream has come.
const NEWS: Duration = Duration::from_mins(1);

impl Member<'_> {
    /// Reads and loads until there is a reason to leave.
    pub(super) async fn stay(&mut self, reader: &mut Reader) -> Left {
        loop {
            let cancel = self.loader.attempt.cancel.clone();
            let event = tokio::select! {
                event = reader.next() => event,
                () = cancel.cancelled() => return Left::Cancelled,
            };
            let done = match event {
                Event::Assigned { partitions, answer } => self.assigned(&partitions, answer).await,
                Event::Revoked {
                    partitions,
                    lost,
                    answer,
                } => {
                    self.revoked(&partitions, lost);
                    // The thread may be gone by now.
                    let _ = answer.send(());
                    Ok(())
                }
                Event::Piece(piece) => self.load(&Arc::from(piece), false, reader).await,
                Event::End => match self.finish(reader).await {
                    Ok(()) => return Left::Finished(self.tally),
                    Err(left) => Err(left),
                },
                Event::Failed(error) => Err(left(error.into())),
            };
            if let Err(left) = done {
                return left;
            }
        }
    }

    /// Takes partitions over in the database, and says where to begin.
    async fn assigned(&mut self, partitions: &[i32], answer: Answer) -> Result<(), Left> {
        let log = &self.loader.attempt.log;
        let cancel = self.loader.attempt.cancel.clone();
        let stopper = self.session.stopper();
        let taken = tokio::select! {
            taken = self.take_over(partitions) => taken,
            () = cancel.cancelled() => {
                stopper.stop().await;
                return Err(Left::Cancelled);
            }
        };
        let begins = match taken {
            Ok(begins) => begins,
            Err(failure) => {
                let _ = answer.send(Err(failure.cause.message.to_string()));
                return Err(left(failure));
            }
        };
        log.info(match begins.as_slice() {
            [] => "no partition is free: others of the group have them".to_owned(),
            begins => {
                let places: Vec<String> = partitions
                    .iter()
                    .zip(begins)
                    .map(|(partition, begin)| format!("{partition} from {}", begin.offset))
                    .collect();
                format!("reads the partitions {}", places.join(", "))
            }
        });
        // A thread that is gone tells so itself.
        let _ = answer.send(Ok(begins));
        Ok(())
    }

    async fn take_over(&mut self, partitions: &[i32]) -> Result<Vec<Begin>, TaskFailure> {
        let Self {
            session, loader, ..
        } = self;
        let known = session.stream_positions(&loader.stream).await?;
        let truncated = self.feed.truncated;
        let log = &loader.attempt.log;
        let starts = begins(self.cluster, self.bound, &known, partitions, truncated, log).await?;
        session.begin().await?;
        let held = session.take_over(&loader.stream, &starts).await?;
        // What was deleted before it was read is passed over for good.
        let skips: Vec<_> = held
            .iter()
            .filter_map(|held| {
                let (_, start) = starts
                    .iter()
                    .find(|(number, _)| *number == held.partition)?;
                (*start > held.next).then_some(crate::connection::StreamMove {
                    held: *held,
                    next: *start,
                })
            })
            .collect();
        session.advance(&loader.stream, &skips).await?;
        session.commit().await?;
        for mut held in held {
            if let Some(skip) = skips.iter().find(|skip| skip.held == held) {
                held.next = skip.next;
            }
            self.held.insert(held.partition, held);
        }
        let begin = |partition: &i32| {
            let offset = self.held.get(partition).map_or(0, |held| held.next);
            let end = self.ends.get(partition).copied().unwrap_or(i64::MAX);
            Begin { offset, end }
        };
        Ok(partitions.iter().map(begin).collect())
    }

    fn revoked(&mut self, partitions: &[i32], lost: bool) {
        for partition in partitions {
            self.held.remove(partition);
        }
        if !partitions.is_empty() {
            let how = if lost { "lost" } else { "given back" };
            let numbers: Vec<String> = partitions.iter().map(i32::to_string).collect();
            let text = format!("partitions {} are {how}", numbers.join(", "));
            self.loader.attempt.log.info(text);
        }
    }

    async fn load(&mut self, piece: &Arc<Piece>, last: bool, reader: &Reader) -> Result<(), Left> {
        let done = self
            .loader
            .load(&mut *self.session, piece, &mut self.held, self.tally, last)
            .await;
        match done {
            Ok(tally) => self.tally = tally,
            Err(Unloaded::Stale) => return Err(Left::Stale),
            Err(Unloaded::Finished(tally)) => return Err(Left::Finished(tally)),
            Err(Unloaded::Unknown(error)) => {
                // Where the stream stands tells, when it is asked anew.
                self.loader.attempt.log.warn(error.to_string());
                return Err(Left::Lost(error.into()));
            }
            Err(Unloaded::Cancelled) => return Err(Left::Cancelled),
            Err(Unloaded::Failed(failure)) => {
                return Err(match self.session.rollback().await {
                    Err(crate::connection::DatabaseError::Connection { .. }) => Left::Lost(failure),
                    _ => left(failure),
                });
            }
        }
        let places = piece.moves.iter();
        reader.commit(places.map(|(partition, (_, next))| (*partition, *next)));
        if self.told.elapsed() >= NEWS {
            self.told = Instant::now();
            self.loader.attempt.log.info(format!(
                "{} messages, {} rows so far",
                self.tally.messages, self.tally.rows
            ));
        }
        Ok(())
    }

    /// Enters the end in the ledger, so that no later attempt goes on.
    async fn finish(&mut self, reader: &Reader) -> Result<(), Left> {
        if self.bound.until == Until::Stopped {
            return Ok(());
        }
        self.load(&Arc::new(Piece::default()), true, reader).await
    }
}

fn left(failure: TaskFailure) -> Left {
    match failure.cause.kind {
        crate::model::FailureKind::Retryable => Left::Lost(failure),
        _ => Left::Failed(failure),
    }
}
