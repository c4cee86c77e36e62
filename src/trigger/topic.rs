//! Messages of a topic.

mod message;
mod reader;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::reader::{Reader, Said};
use super::fixed::is_fixed;
use super::{Around, Kind, Read, Sight, Trigger, Watch, WatchError};
use crate::connection::kafka::{KafkaCluster, KafkaError, Partition, Start};
use crate::document::{FromNode as _, Map, Node, Spanned};
use crate::model::ConnectionId;
use crate::task::Surroundings;
use crate::template::Shape;

pub(super) const KIND: Kind = Kind {
    name: "topic",
    doc: DOC,
    example: include_str!("topic/example.yaml"),
    schema: TopicTrigger::schema,
    parse,
};

const DOC: &str = "\
Messages of a Kafka topic: each starts one run, once, in the order of its partition. How far the DAG has come is kept with \
its runs, not in a consumer group: it needs none, and goes on there after any downtime. Messages of transactions count when \
they are committed.

`run.firing` has `topic`, `partition`, `offset`, `timestamp`, `key`, `headers` and `value`, which is JSON where it can be read \
as such and a text otherwise; what is no text, or longer than 64 KiB, is null: read it by its offset. With `batch` \
there is a list of them, `messages`.";

/// How often it is looked for new partitions.
const PARTITIONS: Duration = Duration::from_mins(5);

crate::choice! {
    /// Where a topic is read from at first.
    enum From as "start" {
        /// From what comes from now on.
        Latest = "latest",
        /// From the first message that is still there.
        Earliest = "earliest",
    }
}

crate::record! {
    /// Messages of a topic.
    struct TopicTrigger as "a trigger of kind `topic`" {
        /// The topic.
        topic: Spanned<String>,
        /// The Kafka cluster.
        connection: Spanned<String>,
        /// Where it begins when the DAG has never read it.
        from: From = "latest" => From::Latest,
        /// So many messages at most start one run together; without it each has a run of its own.
        batch: Option<NonZeroU32>,
        /// Parameters of the run; templates may read `run.firing`.
        params: Map<Node>,
    }
}

/// A checked trigger.
#[derive(Debug)]
struct Messages {
    topic: String,
    connection: ConnectionId,
    from: From,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Read> {
    let read = TopicTrigger::from_node(node, surroundings.report)?;
    let fine = is_fixed(&read.topic, surroundings.report);
    let connection = surroundings.connection(&read.connection, &["kafka"])?;
    fine.then(|| Read {
        trigger: Arc::new(Messages {
            topic: read.topic.value,
            connection,
            from: read.from,
        }),
        batch: read.batch,
        params: read.params,
        env: Vec::new(),
    })
}

impl Trigger for Messages {
    fn words(&self) -> String {
        format!("topic {} of {}", self.topic, self.connection)
    }

    fn awaited(&self) -> String {
        format!("a message of {} of {}", self.topic, self.connection)
    }

    fn shape(&self) -> Shape {
        message::NAMES
            .iter()
            .fold(Shape::empty(), |shape, name| shape.with(name, Shape::Any))
    }

    fn list(&self) -> &'static str {
        "messages"
    }

    fn watch(&self, around: &Around) -> Option<Box<dyn Watch>> {
        Some(Box::new(TopicWatch {
            topic: self.topic.clone(),
            connection: self.connection.to_string(),
            from: self.from,
            stands: around.stands.clone(),
            around: around.clone(),
            reader: None,
        }))
    }
}

struct TopicWatch {
    around: Around,
    topic: String,
    connection: String,
    from: From,
    /// The next message of each stream, as far as it is read here.
    stands: BTreeMap<String, i64>,
    reader: Option<Reader>,
}

/// The name of a partition among the streams of a DAG.
fn stream(connection: &str, partition: &Partition) -> String {
    format!("{connection}/{}/{}", partition.topic, partition.number)
}

impl TopicWatch {
    fn cluster(&self) -> Result<&KafkaCluster, WatchError> {
        let name = &self.connection;
        let cluster = self.around.connections.kafka(name);
        cluster.ok_or_else(|| WatchError(format!("connection `{name}` is no Kafka cluster")))
    }

    fn failed(&self, error: &KafkaError) -> WatchError {
        WatchError(format!("`{}`: {error}", self.connection))
    }

    /// Begins to read where the DAG stands, and gives the places that it didn't have.
    async fn begin(&mut self) -> Result<Vec<(String, i64)>, WatchError> {
        let bounds = self.cluster()?.bounds(&self.topic).await;
        let bounds = bounds.map_err(|error| self.failed(&error))?;
        // A partition that comes later than the others is new: all of it is.
        let is_known = bounds.iter().any(|(number, _)| {
            let partition = Partition::new(&self.topic, *number);
            self.stands
                .contains_key(&stream(&self.connection, &partition))
        });
        let mut starts = Vec::new();
        let mut new = Vec::new();
        for (number, bounds) in bounds {
            let partition = Partition::new(&self.topic, number);
            let name = stream(&self.connection, &partition);
            let first = match self.from {
                From::Latest if !is_known => bounds.high,
                From::Latest | From::Earliest => bounds.low,
            };
            let next = if let Some(next) = self.stands.get(&name) {
                // Some may be gone by now.
                (*next).max(bounds.low)
            } else {
                new.push((name.clone(), first));
                first
            };
            self.stands.insert(name, next);
            starts.push((partition, Start::Offset(next)));
        }
        let consumer = self
            .cluster()?
            .consumer(Reader::options(self.around.once))
            .await;
        let consumer = consumer.map_err(|error| self.failed(&error))?;
        let reader = Reader::begin(consumer, &starts, &self.connection);
        self.reader = Some(reader.map_err(|error| WatchError(error.to_string()))?);
        Ok(new)
    }
}

#[async_trait]
impl Watch for TopicWatch {
    async fn look(&mut self) -> Result<Sight, WatchError> {
        loop {
            let Some(reader) = &mut self.reader else {
                let new = self.begin().await?;
                if new.is_empty() {
                    continue;
                }
                return Ok(Sight::Stands(new));
            };
            match tokio::time::timeout(PARTITIONS, reader.next()).await {
                Ok(Some(Said::Read { items, quiet, next })) => {
                    self.stands.extend(next);
                    return Ok(Sight::Arrived { items, quiet });
                }
                Ok(Some(Said::Failed(error))) => {
                    self.reader = None;
                    return Err(self.failed(&error));
                }
                Ok(None) => {
                    self.reader = None;
                    return Err(WatchError("the reader has ended".to_owned()));
                }
                Err(_) => {
                    let found = self.cluster()?.topic(&self.topic).await;
                    let found = found.map_err(|error| self.failed(&error))?;
                    let known = |partition: &Partition| {
                        self.stands
                            .contains_key(&stream(&self.connection, partition))
                    };
                    if found.all().any(|partition| !known(&partition)) {
                        self.reader = None;
                    }
                }
            }
        }
    }
}
