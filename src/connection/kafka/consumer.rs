//! Reading messages.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError as Library, RDKafkaErrorCode as Code};

use super::client::Client;
use super::cluster::{PATIENCE, Reached};
use super::context::Context;
use super::error::KafkaError;
use super::message::Message;
use super::partitions::{self, Bounds, Partition, Position};
use super::rebalance::{Assignment, Rebalancing};
use super::settings::Settings;

/// What a consumer shall be.
#[derive(Debug, Clone, Default)]
pub struct ConsumerOptions {
    /// The group that it shares partitions with, and whose offsets it commits.
    pub group: Option<String>,
    /// Where to begin when the group has no offset, or one that is gone. `None`: that is an error.
    pub reset: Option<Start>,
    /// Sees also messages of transactions that aren't committed, or never will be.
    pub uncommitted: bool,
    /// Tells when it comes to the end of a partition.
    pub ends: bool,
}

/// Where to begin in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Where the group stands.
    Stored,
    Earliest,
    Latest,
    Offset(i64),
}

/// What a poll brings.
#[derive(Debug)]
pub enum Polled<'a> {
    Message(Message<'a>),
    /// There is no further message in a partition for now. Only with
    /// [`ends`](ConsumerOptions::ends).
    End(i32),
    /// Nothing within the time.
    Nothing,
}

/// A client that reads. Its methods block, for as long as they are told or for half a minute, so it
/// needs a thread. Dropping it leaves the group in the background; [`close`](Self::close) waits for it.
#[derive(Debug)]
pub struct KafkaConsumer {
    client: Client<BaseConsumer<Context<Rebalancing>>>,
}

/// What waits is little, and asked for as soon as there is room. The library keeps 100,000 messages
/// and 64 MiB by default, with 300 bytes of its own for each message, and rests a whole second
/// whenever it has them: a reader that is faster than that waits most of its time.
const DEFAULTS: &[(&str, &str)] = &[
    ("queued.min.messages", "20000"),
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.queue.backoff.ms", "10"),
    ("fetch.message.max.bytes", "262144"),
    ("fetch.max.bytes", "16777216"),
    // Rebalances shall not wait for a consumer that was killed any longer than this.
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "2000"),
];

/// A broker keeps a question at the end of a partition for half a second, in case that a message
/// comes: too long for whoever wants to hear of the end.
const SOON_AT_THE_END: &[(&str, &str)] = &[("fetch.wait.max.ms", "50")];

pub(super) fn open(
    settings: &Settings,
    reached: Reached,
    options: ConsumerOptions,
) -> Result<KafkaConsumer, KafkaError> {
    let reset = match options.reset {
        Some(Start::Earliest) => "earliest",
        Some(Start::Latest) => "latest",
        _ => "error",
    };
    let isolation = if options.uncommitted {
        "read_uncommitted"
    } else {
        "read_committed"
    };
    let mut fixed = vec![
        ("enable.auto.commit", "false".to_owned()),
        ("enable.auto.offset.store", "false".to_owned()),
        ("enable.partition.eof", options.ends.to_string()),
        ("auto.offset.reset", reset.to_owned()),
        ("isolation.level", isolation.to_owned()),
    ];
    // Without a group the library still wants a name for what it never commits.
    let group = options.group.unwrap_or_else(|| "runner".to_owned());
    fixed.push(("group.id", group));
    let soon = if options.ends { SOON_AT_THE_END } else { &[] };
    let defaults = [DEFAULTS, soon].concat();
    let own = Rebalancing::default();
    let client = Client::open(settings, reached, &defaults, &fixed, own)?;
    Ok(KafkaConsumer { client })
}

impl KafkaConsumer {
    /// Joins the group and takes its part of the topics. Partitions come and go while it polls, and
    /// `assignment` is asked each time.
    ///
    /// # Errors
    /// A name that can't be one of a topic.
    pub fn subscribe(
        &self,
        topics: &[&str],
        assignment: Arc<dyn Assignment>,
    ) -> Result<(), KafkaError> {
        *self.client.context().own.assignment() = Some(assignment);
        let subscribed = self.client.subscribe(topics);
        subscribed.map_err(|error| self.error("subscribe", &error))
    }

    /// Reads these partitions, and these only, without asking a group.
    ///
    /// # Errors
    /// The library refuses.
    pub fn assign(&self, starts: &[(Partition, Start)]) -> Result<(), KafkaError> {
        let starts = starts.iter().map(|(partition, start)| (partition, *start));
        let list = partitions::list_of_starts(starts);
        let assigned = self.client.assign(&list);
        drop(list);
        assigned.map_err(|error| self.error("assign partitions", &error))
    }

    /// The next message, at most after this time.
    ///
    /// # Errors
    /// What can't be mended by waiting. Brokers that are away come back by themselves.
    pub fn poll(&self, patience: Duration) -> Result<Polled<'_>, KafkaError> {
        let polled = self.client.poll(patience);
        if let Some(text) = self.client.context().own.failure() {
            return Err(KafkaError::Assignment(text));
        }
        match polled {
            None => Ok(Polled::Nothing),
            Some(Ok(message)) => Ok(Polled::Message(Message(message))),
            Some(Err(Library::PartitionEOF(partition))) => Ok(Polled::End(partition)),
            Some(Err(error)) if is_passing(&error) => Ok(Polled::Nothing),
            Some(Err(error)) => Err(self.error("read", &error)),
        }
    }

    /// Tells the group how far it has come. With `wait`, until the broker has it.
    ///
    /// # Errors
    /// The partitions belong to another consumer by now; no broker answers.
    pub fn commit(&self, positions: &[Position], wait: bool) -> Result<(), KafkaError> {
        if positions.is_empty() {
            return Ok(());
        }
        let mode = if wait {
            CommitMode::Sync
        } else {
            CommitMode::Async
        };
        let list = partitions::list_of_positions(positions);
        let committed = self.client.commit(&list, mode);
        drop(list);
        committed.map_err(|error| self.error("commit", &error))
    }

    /// Waits until the group's coordinator answers, at most for this time. One that has just begun
    /// refuses members for some milliseconds, after which the library rests for three seconds.
    pub fn await_group(&self, partition: &Partition, patience: Duration) {
        let list = partitions::list_of_partitions(std::slice::from_ref(partition));
        // Whoever joins the group hears what is wrong, and says it.
        let _ = self.client.committed_offsets(list, patience);
    }

    /// Where the group stands in these partitions, where it stands anywhere.
    ///
    /// # Errors
    /// No broker answers.
    pub fn committed(
        &self,
        partitions: &[Partition],
    ) -> Result<Vec<(Partition, Option<i64>)>, KafkaError> {
        partitions::committed(&self.client, partitions)
            .map_err(|error| self.error("look at the group", &error))
    }

    /// What a partition has. Unless the consumer sees uncommitted messages, it ends where the first
    /// open transaction begins.
    ///
    /// # Errors
    /// No broker answers.
    pub fn bounds(&self, partition: &Partition) -> Result<Bounds, KafkaError> {
        let (low, high) = self
            .client
            .fetch_watermarks(&partition.topic, partition.number, PATIENCE)
            .map_err(|error| self.error("look at the topic", &error))?;
        Ok(Bounds { low, high })
    }

    /// The first message of each at a time (milliseconds since 1970 in UTC) or later; `None` where
    /// there is none yet.
    ///
    /// # Errors
    /// No broker answers.
    pub fn at_time(
        &self,
        partitions: &[Partition],
        time: i64,
    ) -> Result<Vec<(Partition, Option<i64>)>, KafkaError> {
        partitions::at_time(&self.client, partitions, time)
            .map_err(|error| self.error("look at the topic", &error))
    }

    /// The next message of each partition that is read now, where one has been read.
    ///
    /// # Errors
    /// The library refuses.
    pub fn positions(&self) -> Result<Vec<Position>, KafkaError> {
        let list = self
            .client
            .position()
            .map_err(|error| self.error("look at the positions", &error))?;
        Ok(partitions::read_positions(&list))
    }

    /// The partitions that are read now.
    ///
    /// # Errors
    /// The library refuses.
    pub fn partitions(&self) -> Result<Vec<Partition>, KafkaError> {
        let list = self
            .client
            .assignment()
            .map_err(|error| self.error("look at the partitions", &error))?;
        Ok(partitions::read_list(&list)
            .into_iter()
            .map(|(partition, _)| partition)
            .collect())
    }

    /// Reads on from these places, in partitions that are read now.
    ///
    /// # Errors
    /// They aren't.
    pub fn seek(&self, positions: &[Position]) -> Result<(), KafkaError> {
        let list = partitions::list_of_positions(positions);
        let found = self
            .client
            .seek_partitions(list, PATIENCE)
            .map_err(|error| self.error("seek", &error))?;
        let refused = found
            .elements()
            .iter()
            .find_map(|place| place.error().err());
        drop(found);
        refused.map_or(Ok(()), |error| Err(self.error("seek", &error)))
    }

    /// Leaves the group and ends, and waits for both.
    pub fn close(self) {
        self.client.close();
    }

    /// Who it is in its group, for a producer's transaction.
    pub(super) fn group(&self) -> Option<ConsumerGroupMetadata> {
        self.client.group_metadata()
    }

    pub(super) fn library(&self) -> &BaseConsumer<Context<Rebalancing>> {
        &self.client
    }

    pub(super) fn error(&self, action: &str, error: &Library) -> KafkaError {
        self.client
            .error(action, error, &self.client.context().told)
    }
}

/// Errors that a poll brings and that mend themselves: the library goes on trying.
fn is_passing(error: &Library) -> bool {
    error.rdkafka_error_code().is_some_and(|code| {
        matches!(
            code,
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::NotCoordinator
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::NetworkException
                | Code::RequestTimedOut
        )
    })
}
