//! Topics: which there are, and those that a project declares.

use std::collections::BTreeMap;

use rdkafka::consumer::Consumer as _;
use rdkafka::metadata::MetadataPartition;

use super::KafkaCluster;
use super::cluster::{Looker, PATIENCE};
use super::error::KafkaError;
use super::partitions::{Bounds, Partition, Position};
use crate::document::nearest;

/// A topic of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    /// The numbers of its partitions.
    pub partitions: Vec<i32>,
    /// How many brokers keep each message.
    pub replication: usize,
}

impl Topic {
    /// Of Kafka's own use, such as `__consumer_offsets`.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.name.starts_with("__")
    }

    /// Its partitions.
    pub fn all(&self) -> impl Iterator<Item = Partition> {
        let numbers = self.partitions.iter();
        numbers.map(|number| Partition::new(&self.name, *number))
    }
}

/// A topic as a project declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    pub name: String,
    pub partitions: u32,
    /// `None`: as the broker is set up.
    pub replication: Option<u32>,
    /// Kafka's settings of topics, such as `retention.ms`.
    pub config: BTreeMap<String, String>,
}

/// What came of a declared topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    /// It didn't exist.
    pub created: bool,
    /// What was changed of one that did: `2 more partitions`.
    pub changed: Vec<String>,
    /// What differs and can't be changed, or isn't without being asked.
    pub differs: Vec<String>,
}

impl KafkaCluster {
    /// All topics, by name.
    ///
    /// # Errors
    /// No broker answers.
    pub async fn topics(&self) -> Result<Vec<Topic>, KafkaError> {
        self.look(None, Looker::topics).await
    }

    /// One topic.
    ///
    /// # Errors
    /// It doesn't exist: with the nearest name. No broker answers.
    pub async fn topic(&self, name: &str) -> Result<Topic, KafkaError> {
        let name = name.to_owned();
        self.look(None, move |looker| looker.topic(&name)).await
    }

    /// What each partition of a topic has, up to the first transaction that is still open.
    ///
    /// # Errors
    /// As [`topic`](Self::topic).
    pub async fn bounds(&self, topic: &str) -> Result<Vec<(i32, Bounds)>, KafkaError> {
        let topic = topic.to_owned();
        self.look(None, move |looker| looker.bounds(&looker.topic(&topic)?))
            .await
    }

    /// The first message of each partition at a time (milliseconds since 1970 in UTC) or later; the
    /// end where there is none yet.
    ///
    /// # Errors
    /// As [`topic`](Self::topic).
    pub async fn at_time(&self, topic: &str, time: i64) -> Result<Vec<Position>, KafkaError> {
        let topic = topic.to_owned();
        self.look(None, move |looker| {
            let topic = looker.topic(&topic)?;
            looker.at_time(&topic, time)
        })
        .await
    }
}

impl Looker {
    /// All topics: to be asked about one by its name makes some brokers create it.
    pub(super) fn topics(&self) -> Result<Vec<Topic>, KafkaError> {
        let metadata = self.metadata()?;
        let mut topics: Vec<Topic> = metadata
            .topics()
            .iter()
            .filter(|topic| topic.error().is_none() && !topic.partitions().is_empty())
            .map(|topic| {
                let mut partitions: Vec<i32> = topic
                    .partitions()
                    .iter()
                    .map(MetadataPartition::id)
                    .collect();
                partitions.sort_unstable();
                Topic {
                    name: topic.name().to_owned(),
                    partitions,
                    replication: topic
                        .partitions()
                        .iter()
                        .map(|partition| partition.replicas().len())
                        .min()
                        .unwrap_or(0),
                }
            })
            .collect();
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(topics)
    }

    pub(super) fn topic(&self, name: &str) -> Result<Topic, KafkaError> {
        let mut topics = self.topics()?;
        if let Some(at) = topics.iter().position(|topic| topic.name == name) {
            return Ok(topics.swap_remove(at));
        }
        let known = || {
            let known = topics.iter().filter(|topic| !topic.is_internal());
            known.map(|topic| topic.name.as_str())
        };
        let hint = match nearest(name, known()) {
            Some(near) => format!(": did you mean `{near}`?"),
            None if known().count() == 0 => ": the cluster has no topics".to_owned(),
            None => String::new(),
        };
        Err(KafkaError::NoTopic {
            topic: name.to_owned(),
            hint,
        })
    }

    pub(super) fn bounds(&self, topic: &Topic) -> Result<Vec<(i32, Bounds)>, KafkaError> {
        let bounds = topic.partitions.iter().map(|number| {
            let (low, high) = self
                .client
                .fetch_watermarks(&topic.name, *number, PATIENCE)
                .map_err(|error| self.error(&format!("look at topic `{}`", topic.name), &error))?;
            Ok((*number, Bounds { low, high }))
        });
        bounds.collect()
    }

    fn at_time(&self, topic: &Topic, time: i64) -> Result<Vec<Position>, KafkaError> {
        let partitions: Vec<Partition> = topic.all().collect();
        let found = super::partitions::at_time(&self.client, &partitions, time)
            .map_err(|error| self.error(&format!("look at topic `{}`", topic.name), &error))?;
        let ends = self.bounds(topic)?;
        let end = |number: i32| {
            ends.iter()
                .find(|(found, _)| *found == number)
                .map_or(0, |(_, bounds)| bounds.high)
        };
        Ok(found
            .into_iter()
            .map(|(partition, next)| Position {
                next: next.unwrap_or_else(|| end(partition.number)),
                partition,
            })
            .collect())
    }
}
