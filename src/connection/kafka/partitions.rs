//! Places in topics. The library's own lists never leave this folder: one that is alive keeps its
//! client from ending.

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError as Library;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::cluster::PATIENCE;
use super::consumer::Start;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    pub topic: String,
    /// From 0.
    pub number: i32,
}

impl Partition {
    /// A partition by its topic and number.
    pub fn new(topic: impl Into<String>, number: i32) -> Self {
        Self {
            topic: topic.into(),
            number,
        }
    }
}

/// A place in a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub partition: Partition,
    /// The offset of the next message.
    pub next: i64,
}

/// What a partition has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The offset of the first message that is still there.
    pub low: i64,
    /// The offset that the next message gets.
    pub high: i64,
}

pub(super) fn list_of_starts<'a>(
    starts: impl IntoIterator<Item = (&'a Partition, Start)>,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, start) in starts {
        let offset = match start {
            Start::Stored => Offset::Stored,
            Start::Earliest => Offset::Beginning,
            Start::Latest => Offset::End,
            Start::Offset(offset) => Offset::Offset(offset),
        };
        // Refuses invalid offsets only, and these are not.
        let _ = list.add_partition_offset(&partition.topic, partition.number, offset);
    }
    list
}

pub(super) fn list_of_positions<'a>(
    positions: impl IntoIterator<Item = &'a Position>,
) -> TopicPartitionList {
    list_of_starts(
        positions
            .into_iter()
            .map(|position| (&position.partition, Start::Offset(position.next))),
    )
}

pub(super) fn list_of_partitions<'a>(
    partitions: impl IntoIterator<Item = &'a Partition>,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(&partition.topic, partition.number);
    }
    list
}

/// The partitions of a list, each with its offset if it has one.
pub(super) fn read_list(list: &TopicPartitionList) -> Vec<(Partition, Option<i64>)> {
    list.elements()
        .iter()
        .map(|element| {
            let offset = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            (Partition::new(element.topic(), element.partition()), offset)
        })
        .collect()
}

pub(super) fn read_positions(list: &TopicPartitionList) -> Vec<Position> {
    let known = read_list(list).into_iter();
    known
        .filter_map(|(partition, next)| {
            Some(Position {
                partition,
                next: next?,
            })
        })
        .collect()
}

/// The offsets of the first messages at a time or later, where there are any.
pub(super) fn at_time<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    partitions: &[Partition],
    time: i64,
) -> Result<Vec<(Partition, Option<i64>)>, Library> {
    let starts = partitions
        .iter()
        .map(|partition| (partition, Start::Offset(time)));
    let found = client.offsets_for_times(list_of_starts(starts), PATIENCE)?;
    Ok(read_list(&found))
}

/// Where a consumer's group stands, where it stands anywhere.
pub(super) fn committed<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    partitions: &[Partition],
) -> Result<Vec<(Partition, Option<i64>)>, Library> {
    let found = client.committed_offsets(list_of_partitions(partitions), PATIENCE)?;
    Ok(read_list(&found))
}
