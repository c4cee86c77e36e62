//! Groups of consumers, and how far behind they are.

use rdkafka::consumer::Consumer as _;

use super::KafkaCluster;
use super::cluster::{Looker, PATIENCE};
use super::error::KafkaError;
use super::partitions::{self, Partition, Position};
use super::topics::Topic;

/// A group of consumers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    /// As Kafka says it: `Stable`, `Empty`, …
    pub state: String,
    /// How many consumers there are now.
    pub members: usize,
}

/// How far a group has come in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOffset {
    pub partition: Partition,
    /// The offset of its next message; `None` when it never committed one.
    pub next: Option<i64>,
    /// How many messages it has not read yet, as far as offsets tell: those that were compacted away
    /// count, too.
    pub lag: i64,
}

impl KafkaCluster {
    /// The groups of consumers, by name.
    ///
    /// # Errors
    /// No broker answers.
    pub async fn groups(&self) -> Result<Vec<Group>, KafkaError> {
        self.look(None, Looker::groups).await
    }

    /// How far a group has come, in all partitions of which it has committed anything.
    ///
    /// # Errors
    /// No broker answers.
    pub async fn progress(&self, group: &str) -> Result<Vec<Position>, KafkaError> {
        self.look(Some(group), |looker| {
            let topics = looker.topics()?;
            let topics = topics.iter().filter(|topic| !topic.is_internal());
            let asked: Vec<Partition> = topics.flat_map(Topic::all).collect();
            let committed = partitions::committed(&looker.client, &asked)
                .map_err(|error| looker.error("look at the group", &error))?;
            let known = committed.into_iter();
            Ok(known
                .filter_map(|(partition, next)| {
                    Some(Position {
                        partition,
                        next: next?,
                    })
                })
                .collect())
        })
        .await
    }

    /// How far a group has come in the partitions of a topic.
    ///
    /// # Errors
    /// The topic doesn't exist. No broker answers.
    pub async fn lag(&self, group: &str, topic: &str) -> Result<Vec<GroupOffset>, KafkaError> {
        let topic = topic.to_owned();
        self.look(Some(group), move |looker| {
            let topic = looker.topic(&topic)?;
            let bounds = looker.bounds(&topic)?;
            let asked: Vec<Partition> = topic.all().collect();
            let committed = partitions::committed(&looker.client, &asked)
                .map_err(|error| looker.error("look at the group", &error))?;
            Ok(committed
                .into_iter()
                .map(|(partition, next)| {
                    let bounds = bounds
                        .iter()
                        .find(|(number, _)| *number == partition.number)
                        .map(|(_, bounds)| *bounds);
                    let lag = bounds.map_or(0, |bounds| {
                        bounds.high - next.unwrap_or(bounds.low).clamp(bounds.low, bounds.high)
                    });
                    GroupOffset {
                        partition,
                        next,
                        lag,
                    }
                })
                .collect())
        })
        .await
    }
}

impl Looker {
    fn groups(&self) -> Result<Vec<Group>, KafkaError> {
        self.metadata()?;
        let found = self
            .client
            .fetch_group_list(None, PATIENCE)
            .map_err(|error| self.error("look at the groups", &error))?;
        let mut groups: Vec<Group> = found
            .groups()
            .iter()
            .map(|group| Group {
                name: group.name().to_owned(),
                state: group.state().to_owned(),
                members: group.members().len(),
            })
            .collect();
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(groups)
    }
}
