//! Sending messages.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError as Library, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};

use super::KafkaConsumer;
use super::client::Client;
use super::cluster::{PATIENCE, Reached};
use super::context::Context;
use super::error::KafkaError;
use super::message::Record;
use super::partitions::{self, Position};
use super::settings::Settings;

/// What a producer shall be.
#[derive(Debug, Clone, Default)]
pub struct ProducerOptions {
    /// Makes transactions possible. Of all producers of one id only the youngest can commit.
    pub transactional_id: Option<String>,
}

/// A client that sends. Nothing is doubled or reordered by its own retries, and every message is
/// acknowledged by all replicas. Its methods may block, so it needs a thread.
#[derive(Debug)]
pub struct KafkaProducer {
    client: Client<ThreadedProducer<Context<Deliveries>>>,
}

/// The library would hold a gigabyte of messages.
const DEFAULTS: &[(&str, &str)] = &[
    ("queue.buffering.max.kbytes", "32768"),
    ("linger.ms", "10"),
    ("compression.type", "lz4"),
    // As Java's producers: a key goes to the same partition whoever sends it.
    ("partitioner", "murmur2_random"),
];

pub(super) fn open(
    settings: &Settings,
    reached: Reached,
    options: ProducerOptions,
) -> Result<KafkaProducer, KafkaError> {
    let mut fixed = vec![
        ("enable.idempotence", "true".to_owned()),
        ("acks", "all".to_owned()),
        ("delivery.report.only.error", "true".to_owned()),
    ];
    if let Some(id) = options.transactional_id {
        fixed.push(("transactional.id", id));
        // At least as long as a message may take, which is five minutes. Readers of committed
        // messages wait so long at most for a transaction whose producer was killed.
        fixed.push(("transaction.timeout.ms", "300000".to_owned()));
    }
    let own = Deliveries::default();
    let client = Client::open(settings, reached, DEFAULTS, &fixed, own)?;
    Ok(KafkaProducer { client })
}

impl KafkaProducer {
    /// Puts a message in the queue; waits while the queue is full.
    ///
    /// # Errors
    /// This message can't be sent, or an earlier one couldn't.
    pub fn send(&self, record: &Record<'_>) -> Result<(), KafkaError> {
        self.first_failure()?;
        let deadline = Instant::now() + QUEUE_PATIENCE;
        let mut waiting = prepared(record);
        loop {
            let (error, back) = match self.client.send(waiting) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            if error.rdkafka_error_code() != Some(Code::QueueFull) || Instant::now() > deadline {
                let action = format!("send to topic `{}`", record.topic);
                return Err(self.error(&action, &error));
            }
            self.client.poll(Duration::from_millis(10));
            self.first_failure()?;
            waiting = back;
        }
    }

    /// Waits until every message is acknowledged.
    ///
    /// # Errors
    /// One couldn't be delivered, or is still under way after this time.
    pub fn flush(&self, patience: Duration) -> Result<(), KafkaError> {
        let flushed = self.client.flush(patience);
        self.first_failure()?;
        flushed.map_err(|error| self.error("send", &error))
    }

    /// Makes transactions possible: ends those that an earlier producer of the same id has left. Once,
    /// before the first [`begin`](Self::begin).
    ///
    /// # Errors
    /// No broker answers; transactions aren't allowed.
    pub fn start_transactions(&self) -> Result<(), KafkaError> {
        let done = self.client.init_transactions(PATIENCE);
        done.map_err(|error| self.error("start transactions", &error))
    }

    /// What is sent from here on is seen when it is committed, or never.
    ///
    /// # Errors
    /// The producer is lost.
    pub fn begin(&self) -> Result<(), KafkaError> {
        let begun = self.client.begin_transaction();
        begun.map_err(|error| self.error("begin a transaction", &error))
    }

    /// Commits how far a group has come together with what is sent.
    ///
    /// # Errors
    /// The partitions belong to another consumer by now: abort. The producer is lost.
    pub fn send_positions(
        &self,
        consumer: &KafkaConsumer,
        positions: &[Position],
    ) -> Result<(), KafkaError> {
        let Some(group) = consumer.group() else {
            return Err(KafkaError::refused("commit", "the consumer has no group"));
        };
        let list = partitions::list_of_positions(positions);
        let sent = self
            .client
            .send_offsets_to_transaction(&list, &group, PATIENCE);
        drop(list);
        sent.map_err(|error| self.error("commit", &error))
    }

    /// Makes all that was sent visible at once. Waits for every message before.
    ///
    /// # Errors
    /// [`MustAbort`](KafkaError::MustAbort): abort. Another transient one: call it again.
    /// [`ProducerLost`](KafkaError::ProducerLost): it isn't known whether it was committed; the next
    /// producer of the id finishes it, one way or the other.
    pub fn commit(&self) -> Result<(), KafkaError> {
        if let Err(error) = self.flush(COMMIT_PATIENCE) {
            return Err(match error {
                KafkaError::Refused { action, reason, .. } => {
                    KafkaError::MustAbort { action, reason }
                }
                error => error,
            });
        }
        let committed = self.client.commit_transaction(COMMIT_PATIENCE);
        committed.map_err(|error| match error.rdkafka_error_code() {
            // Nobody knows how it ended. The library allows no other call than this one again, and a
            // second answer may never come either.
            Some(Code::OperationTimedOut) => KafkaError::ProducerLost {
                action: "commit".to_owned(),
                reason: "no broker has acknowledged it in time".to_owned(),
            },
            _ => self.error("commit", &error),
        })
    }

    /// Takes back all that was sent.
    ///
    /// # Errors
    /// The producer is lost; the broker takes it back by itself.
    pub fn abort(&self) -> Result<(), KafkaError> {
        let aborted = self.client.abort_transaction(PATIENCE);
        // Messages of an aborted transaction are reported as not delivered.
        self.client.context().own.take();
        aborted.map_err(|error| match self.error("abort", &error) {
            KafkaError::Refused { action, reason, .. } => {
                KafkaError::ProducerLost { action, reason }
            }
            error => error,
        })
    }

    /// Ends, and waits for it. What isn't acknowledged yet is given up.
    pub fn close(self) {
        self.client.close();
    }

    fn first_failure(&self) -> Result<(), KafkaError> {
        let Some((topic, error)) = self.client.context().own.take() else {
            return Ok(());
        };
        Err(self.error(&format!("send to topic `{topic}`"), &error))
    }

    pub(super) fn library(&self) -> &ThreadedProducer<Context<Deliveries>> {
        &self.client
    }

    pub(super) fn error(&self, action: &str, error: &Library) -> KafkaError {
        self.client
            .error(action, error, &self.client.context().told)
    }
}

/// How long a full queue may stay full.
const QUEUE_PATIENCE: Duration = Duration::from_mins(2);

/// How long a commit may take, with all messages before it.
const COMMIT_PATIENCE: Duration = Duration::from_mins(1);

fn prepared<'a>(record: &Record<'a>) -> BaseRecord<'a, [u8], [u8]> {
    let mut prepared = BaseRecord::to(record.topic);
    prepared.partition = record.partition;
    prepared.key = record.key;
    prepared.payload = record.value;
    prepared.timestamp = record.timestamp;
    if !record.headers.is_empty() {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in record.headers {
            headers = headers.insert(Header { key, value: *value });
        }
        prepared.headers = Some(headers);
    }
    prepared
}

/// What a producer's context has of its own.
#[derive(Default)]
pub(super) struct Deliveries {
    /// The first message that couldn't be delivered: its topic, and why.
    failed: Mutex<Option<(String, Library)>>,
}

impl Deliveries {
    fn take(&self) -> Option<(String, Library)> {
        self.failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl ProducerContext for Context<Deliveries> {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let mut failed = self
                .own
                .failed
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert_with(|| (message.topic().to_owned(), error.clone()));
        }
    }
}
