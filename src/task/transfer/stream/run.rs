//! The stream as a whole: it joins, and joins anew when something is away.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::load::{Loader, Tally};
use super::member::{Left, Member};
use crate::connection::{Database, Session, StreamKey};
use crate::task::messages::{Bound, DeadLetters, Feed, Reader, Until};
use crate::task::transfer::flow::Flow;
use crate::task::transfer::plan::database;
use crate::task::transfer::sink::DatabaseSink;
use crate::task::{AttemptContext, Metrics, TaskFailure, TaskOutput, TaskResult};

/// The first pause before joining anew, and the longest.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a stream that ends by itself tries without getting any further. The task's own retries
/// come behind it.
const PATIENCE: Duration = Duration::from_mins(2);

/// Carries out one attempt of a copy from a topic into a database.
pub(in crate::task::transfer) async fn run(
    flow: &Flow,
    feed: &Feed,
    sink: &dyn DatabaseSink,
    attempt: &AttemptContext,
) -> TaskResult {
    let bound = feed.bind(attempt)?;
    let database = database(attempt, sink.database())?;
    let stream = Stream {
        flow,
        feed,
        sink,
        attempt,
        bound,
        database,
        started: Instant::now(),
    };
    let tally = stream.run().await?;
    let outputs = match tally.to_json(true) {
        serde_json::Value::Object(outputs) => outputs,
        _ => serde_json::Map::new(),
    };
    Ok(TaskOutput {
        outputs,
        metrics: Metrics {
            rows: Some(tally.rows),
            bytes: Some(tally.bytes),
            made: vec![sink.target(attempt)?],
            summary: None,
        },
        ..TaskOutput::default()
    })
}

struct Stream<'a> {
    flow: &'a Flow,
    feed: &'a Feed,
    sink: &'a dyn DatabaseSink,
    attempt: &'a AttemptContext,
    bound: Bound,
    database: &'a dyn Database,
    started: Instant,
}

impl Stream<'_> {
    async fn run(&self) -> Result<Tally, TaskFailure> {
        let log = &self.attempt.log;
        let mut ends = None;
        let mut tally = Tally::default();
        let mut pause = PAUSE;
        let mut moved = Instant::now();
        loop {
            let before = tally;
            let left = self.join(&mut ends, &mut tally).await;
            if tally != before {
                (pause, moved) = (PAUSE, Instant::now());
            }
            let failure = match left {
                Left::Finished(tally) => {
                    log.info(format!(
                        "{} messages: {} rows written, {} messages rejected",
                        tally.messages, tally.written, tally.rejected
                    ));
                    return Ok(tally);
                }
                Left::Cancelled => {
                    log.info(format!("stopped behind {} messages", tally.messages));
                    return Err(TaskFailure::retryable("cancelled"));
                }
                Left::Failed(failure) => return Err(failure),
                Left::Stale => {
                    log.info("a partition was taken over by another consumer: joins anew");
                    None
                }
                Left::Lost(failure) => Some(failure),
            };
            if let Some(failure) = failure {
                let goes_on = self.bound.until == Until::Stopped || moved.elapsed() < PATIENCE;
                if !goes_on {
                    return Err(failure);
                }
                log.warn(format!("joins anew: {}", failure.cause.message));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.attempt.cancel.cancelled() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Joins the group, and stays as long as all is well.
    async fn join(&self, ends: &mut Option<BTreeMap<i32, i64>>, tally: &mut Tally) -> Left {
        let prepared = tokio::select! {
            prepared = self.prepare(ends, tally) => prepared,
            () = self.attempt.cancel.cancelled() => return Left::Cancelled,
        };
        match prepared {
            Ok(Prepared::Finished(tally)) => {
                let log = &self.attempt.log;
                log.info("an earlier attempt has committed this: nothing is done again");
                Left::Finished(tally)
            }
            Ok(Prepared::Ready { loader, session }) => {
                self.stay(&loader, session, ends.as_ref(), tally).await
            }
            Err(failure) => match failure.cause.kind {
                crate::model::FailureKind::Retryable => Left::Lost(failure),
                _ => Left::Failed(failure),
            },
        }
    }

    async fn prepare(
        &self,
        ends: &mut Option<BTreeMap<i32, i64>>,
        tally: &mut Tally,
    ) -> Result<Prepared<'_>, TaskFailure> {
        let (attempt, bound) = (self.attempt, &self.bound);
        let cluster = self.feed.cluster(attempt)?;
        // Without the database there is nothing to be done: others may have the partitions.
        let mut session = self.database.session(&attempt.purpose()).await?;
        let key = (bound.until != Until::Stopped).then(|| attempt.ledger_key());
        if let Some(key) = &key
            && let Some(known) = session.settled(key).await?
        {
            let (known, finished) = Tally::from_json(&known);
            if finished {
                return Ok(Prepared::Finished(known));
            }
            *tally = known;
        }
        if ends.is_none() {
            let bounds = cluster.bounds(&bound.topic).await?;
            let high = bounds
                .into_iter()
                .map(|(number, bounds)| (number, bounds.high));
            *ends = Some(high.collect());
        }
        let letters = match &bound.dead_letter {
            Some(to) => Some(DeadLetters::open(cluster, &bound.topic, to).await?),
            None => None,
        };
        let loader = Loader {
            flow: self.flow,
            sink: self.sink,
            attempt,
            topic: bound.topic.as_str().into(),
            stream: StreamKey {
                group: bound.group.clone(),
                topic: bound.topic.clone(),
            },
            letters,
            key,
        };
        Ok(Prepared::Ready { loader, session })
    }

    async fn stay(
        &self,
        loader: &Loader<'_>,
        session: Box<dyn Session>,
        ends: Option<&BTreeMap<i32, i64>>,
        tally: &mut Tally,
    ) -> Left {
        let (attempt, bound) = (self.attempt, &self.bound);
        let nothing = BTreeMap::new();
        let count = match bound.until {
            Until::Count(count) => Some(count.saturating_sub(tally.messages)),
            _ => None,
        };
        let wanted = self.flow.mapping.wanted();
        let mut reading = self.feed.reading(bound, wanted, count);
        reading.time = reading
            .time
            .map(|time| time.saturating_sub(self.started.elapsed()));
        let opened = match self.feed.cluster(attempt) {
            Ok(cluster) => Reader::open(cluster, reading)
                .await
                .map(|reader| (cluster, reader))
                .map_err(TaskFailure::from),
            Err(failure) => Err(failure),
        };
        let (cluster, mut reader) = match opened {
            Ok(opened) => opened,
            Err(failure) => return Left::Lost(failure),
        };
        let mut member = Member {
            loader,
            feed: self.feed,
            bound,
            cluster,
            session,
            held: BTreeMap::new(),
            ends: ends.unwrap_or(&nothing),
            tally: *tally,
            told: Instant::now(),
        };
        let left = member.stay(&mut reader).await;
        *tally = member.tally;
        drop(member);
        reader.close().await;
        left
    }
}

enum Prepared<'a> {
    /// An earlier attempt has come to the end.
    Finished(Tally),
    Ready {
        loader: Loader<'a>,
        session: Box<dyn Session>,
    },
}
