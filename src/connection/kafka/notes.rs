//! Notes: what a transaction says about itself, in a group of its own.
//!
//! A group's committed offset may carry a text. Sent with a transaction, it is there when the
//! transaction took effect and only then, so that whoever never got the answer of a commit can ask.

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::producer::Producer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::cluster::PATIENCE;
use super::error::KafkaError;
use super::partitions::{Partition, Position};
use super::{ConsumerOptions, KafkaCluster, KafkaConsumer, KafkaProducer};

/// A place for one note.
#[derive(Debug, Clone)]
pub struct NotePlace {
    /// A group that no consumer joins.
    pub group: String,
    /// Any partition that exists.
    pub partition: Partition,
}

/// Where a group stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub partition: i32,
    pub next: i64,
    /// What was noted when that was committed; may be empty.
    pub note: String,
}

/// Stands for a group that a producer leaves a note in.
#[derive(Debug)]
pub struct NoteKeeper {
    consumer: KafkaConsumer,
    partition: Partition,
}

impl KafkaCluster {
    /// The note at a place; waits for a transaction that is about to leave one.
    ///
    /// # Errors
    /// No broker answers.
    pub async fn note(&self, place: &NotePlace) -> Result<Option<String>, KafkaError> {
        let partition = place.partition.clone();
        self.look(Some(&place.group), move |looker| {
            let mut list = TopicPartitionList::new();
            list.add_partition(&partition.topic, partition.number);
            let committed = looker
                .client
                .committed_offsets(list, PATIENCE)
                .map_err(|error| looker.error("look at the transaction's note", &error))?;
            let elements = committed.elements();
            let note = elements.first().and_then(|element| {
                let left = matches!(element.offset(), Offset::Offset(_));
                left.then(|| element.metadata().to_owned())
            });
            Ok(note)
        })
        .await
    }

    /// Where a group stands in the partitions of a topic where it stands anywhere, with what was
    /// noted there.
    ///
    /// # Errors
    /// The topic doesn't exist; no broker answers.
    pub async fn stored(&self, group: &str, topic: &str) -> Result<Vec<Stored>, KafkaError> {
        let topic = topic.to_owned();
        self.look(Some(group), move |looker| {
            let mut list = TopicPartitionList::new();
            for number in looker.topic(&topic)?.partitions {
                list.add_partition(&topic, number);
            }
            let committed = looker
                .client
                .committed_offsets(list, PATIENCE)
                .map_err(|error| looker.error("look at the group", &error))?;
            let elements = committed.elements();
            let stored = elements
                .iter()
                .filter_map(|element| match element.offset() {
                    Offset::Offset(next) => Some(Stored {
                        partition: element.partition(),
                        next,
                        note: element.metadata().to_owned(),
                    }),
                    _ => None,
                });
            Ok(stored.collect())
        })
        .await
    }

    /// What a producer needs to leave a note.
    ///
    /// # Errors
    /// The cluster can't be had.
    pub async fn note_keeper(&self, place: &NotePlace) -> Result<NoteKeeper, KafkaError> {
        let options = ConsumerOptions {
            group: Some(place.group.clone()),
            ..ConsumerOptions::default()
        };
        Ok(NoteKeeper {
            consumer: self.consumer(options).await?,
            partition: place.partition.clone(),
        })
    }
}

impl KafkaConsumer {
    /// Tells the group how far it has come, with a note for each partition, and waits until the
    /// broker has it.
    ///
    /// # Errors
    /// The partitions belong to another consumer by now; no broker answers.
    pub fn commit_noted(&self, noted: &[(Position, String)]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for (Position { partition, next }, note) in noted {
            let mut element = list.add_partition(&partition.topic, partition.number);
            // Refuses invalid offsets only, and these are not.
            let _ = element.set_offset(Offset::Offset(*next));
            element.set_metadata(note);
        }
        let committed = self.library().commit(&list, CommitMode::Sync);
        drop(list);
        committed.map_err(|error| self.error("commit", &error))
    }
}

impl KafkaProducer {
    /// Leaves a note with the current transaction; at most 4 kB.
    ///
    /// # Errors
    /// The transaction must be aborted; the producer is lost.
    pub fn send_note(&self, keeper: &NoteKeeper, note: &str) -> Result<(), KafkaError> {
        let Some(group) = keeper.consumer.group() else {
            return Err(KafkaError::refused("commit", "the note has no group"));
        };
        let mut list = TopicPartitionList::new();
        let Partition { topic, number } = &keeper.partition;
        let mut element = list.add_partition(topic, *number);
        // Neither is refused: the offset is one, and the text has no end in it.
        let _ = element.set_offset(Offset::Offset(1));
        element.set_metadata(note);
        let sent = self
            .library()
            .send_offsets_to_transaction(&list, &group, PATIENCE);
        drop(list);
        sent.map_err(|error| self.error("commit", &error))
    }
}
