//! Work on a Kafka cluster: declare topics, send messages, read messages.

mod consume;
mod topics;

use async_trait::async_trait;
use schemars::Schema;
use serde_json::Value as Json;

use self::consume::Consume;
use self::topics::{Declaration, RawTopic};
use super::messages::{Feed, FeedSettings};
use super::transfer::{From, OnError, Plan, To, Transfer, topic_schema};
use super::{
    AttemptContext, Deed, Guarantee, Surroundings, Task, TaskFailure, TaskKind, TaskOutput,
    TaskResult, Touch,
};
use crate::connection::kafka::KafkaCluster;
use crate::document::{
    Diagnostic, Entry, FromNode, Map, Node, Spanned, Value, read_map, refuse_unknown_keys,
};
use crate::model::ConnectionId;

pub(super) const KIND: TaskKind = TaskKind {
    name: "kafka",
    doc: "Works on a Kafka cluster. `topics` declares topics: they are made, get the partitions and \
settings that are missing, and never lose anything. `produce` sends records to a topic, the rows of a \
dataset or of a query or `values` that stand here; with `transactional: true` all of them appear at \
once, and once. `consume` reads messages into the task's dataset, up to `until`. A stream into a \
database or another topic is a `copy`.",
    example: include_str!("kafka/example.yaml"),
    schema,
    parse,
};

const WHAT: &str = "a kafka task";

crate::record! {
    /// Work on a Kafka cluster.
    struct RawKafka as "a kafka task" {
        /// The Kafka cluster.
        connection: Spanned<String>,
        /// Topics that must be there, with what they are like.
        topics: Map<RawTopic>,
        /// The topic that records are sent to.
        produce: Option<Spanned<String>>,
        /// The topic that messages are read from, into the task's dataset.
        consume: Option<Spanned<String>>,
    }
}

/// The keys of `produce`: those of a copy's `to`, and where the records come from.
const PRODUCE: &[&str] = &[
    "from",
    "values",
    "key",
    "headers",
    "partition",
    "timestamp",
    "value",
    "format",
    "transactional",
];

fn schema() -> Schema {
    let mut schema = FeedSettings::beside(RawKafka::schema());
    let produce = topic_schema();
    if let (Some(Json::Object(own)), Some(Json::Object(keys))) = (
        schema.ensure_object().get_mut("properties"),
        produce.get("properties"),
    ) {
        for key in PRODUCE {
            if let Some(shape) = keys.get(*key).filter(|_| *key != "format") {
                own.insert((*key).to_owned(), shape.clone());
            }
        }
        own.insert("from".to_owned(), From::schema().to_value());
        own.insert(
            "values".to_owned(),
            serde_json::json!({
                "type": "array",
                "items": { "type": "object" },
                "description": "The records that are sent, with templates.",
            }),
        );
        if let Some(format) = own.get_mut("format") {
            *format = serde_json::json!({
                "enum": ["json", "ndjson", "csv", "text", "raw"],
                "default": "json",
                "description": "How messages are written. `produce` knows `json` and `text`.",
            });
        }
    }
    schema
}

/// A checked task.
#[derive(Debug)]
struct KafkaTask {
    connection: ConnectionId,
    topics: Vec<Declaration>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Nothing,
    Produce(Box<Transfer>),
    Consume(Box<Consume>),
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    let entries = read_map(node, surroundings.report)?;
    let known: Vec<&str> = [RawKafka::KEYS, FeedSettings::KEYS, PRODUCE].concat();
    let entries = refuse_unknown_keys(entries, &known, WHAT, surroundings.report);
    let raw = RawKafka::from_entries(&entries, node.span, surroundings.report)?;
    let verb = match (&raw.produce, &raw.consume) {
        (Some(_), Some(consume)) => {
            surroundings.report.push(
                Diagnostic::error(
                    "conflicting-keys",
                    "a kafka task either sends or reads",
                    consume.span,
                )
                .help("make two tasks of it"),
            );
            return None;
        }
        (Some(_), None) => Some(("produce", PRODUCE)),
        (None, Some(_)) => Some(("consume", FeedSettings::KEYS)),
        (None, None) if raw.topics.0.is_empty() => {
            surroundings.report.push(
                Diagnostic::error(
                    "missing-key",
                    "a kafka task needs something to do",
                    node.span,
                )
                .label("add `topics:`, `produce:` or `consume:`"),
            );
            return None;
        }
        (None, None) => None,
    };
    for entry in &*entries {
        let key = &*entry.key.value;
        let belongs = |keys: &[&str]| keys.contains(&key);
        if belongs(RawKafka::KEYS) || verb.is_some_and(|(_, keys)| belongs(keys)) {
            continue;
        }
        let owner = if belongs(PRODUCE) {
            "produce"
        } else {
            "consume"
        };
        surroundings.report.push(Diagnostic::error(
            "conflicting-keys",
            format!("`{key}` belongs to `{owner}`"),
            entry.key.span,
        ));
    }
    let connection = surroundings.connection(&raw.connection, &["kafka"]);
    let topics: Option<Vec<Declaration>> = raw
        .topics
        .0
        .iter()
        .map(|(name, topic)| Declaration::read(name, topic, surroundings))
        .collect();
    let work = match (&raw.produce, &raw.consume) {
        (Some(_), _) => {
            let from = records(&entries, node, surroundings)?;
            let (from, to) = (From::of(&from), To::of(&sink(&entries, node)));
            let plan = Plan {
                from: &from,
                to: Some(&to),
                columns: None,
                filter: None,
                on_error: OnError::Fail,
                rejects: None,
                span: node.span,
            };
            Transfer::read(&plan, surroundings).map(|work| Work::Produce(Box::new(work)))
        }
        (_, Some(topic)) => {
            let settings = FeedSettings::from_entries(&entries, node.span, surroundings.report)?;
            let feed = Feed::read(connection.clone()?, topic, &settings, surroundings);
            feed.map(|feed| Work::Consume(Box::new(Consume { feed })))
        }
        (None, None) => Some(Work::Nothing),
    };
    Some(Box::new(KafkaTask {
        connection: connection?,
        topics: topics?,
        work: work?,
    }))
}

/// Where the records come from, as the `from` of a copy.
fn records(entries: &[Entry], node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Node> {
    let find = |name: &str| entries.iter().find(|entry| &*entry.key.value == name);
    match (find("from"), find("values")) {
        (Some(from), None) => Some(from.value.clone()),
        (None, Some(values)) => Some(Node {
            value: Value::Map(vec![values.clone()]),
            span: values.value.span,
        }),
        (from, _) => {
            let (code, message) = match from {
                Some(_) => (
                    "conflicting-keys",
                    "`produce` has either `from` or `values`",
                ),
                None => ("missing-key", "`produce` needs records"),
            };
            surroundings.report.push(
                Diagnostic::error(code, message, node.span).label("add `from:` or `values:`"),
            );
            None
        }
    }
}

/// What is produced, as the `to` of a copy.
fn sink(entries: &[Entry], node: &Node) -> Node {
    let entries = entries.iter().filter_map(|entry| {
        let mut entry = entry.clone();
        match &*entry.key.value {
            "produce" => entry.key.value = "topic".into(),
            "from" | "values" => return None,
            "connection" => {}
            key if PRODUCE.contains(&key) => {}
            _ => return None,
        }
        Some(entry)
    });
    Node {
        value: Value::Map(entries.collect()),
        span: node.span,
    }
}

#[async_trait]
impl Task for KafkaTask {
    async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        let name = self.connection.as_str();
        let cluster = attempt
            .connections
            .kafka(name)
            .ok_or_else(|| TaskFailure::permanent(format!("connection `{name}` is no Kafka")))?;
        tokio::select! {
            declared = self.declare(cluster, attempt) => declared?,
            () = attempt.cancel.cancelled() => return Err(TaskFailure::retryable("cancelled")),
        }
        match &self.work {
            Work::Nothing => {
                let mut output = TaskOutput::default();
                let count = self.topics.len();
                let word = if count == 1 { "topic" } else { "topics" };
                output.metrics.summary = Some(format!("{count} {word}"));
                Ok(output)
            }
            Work::Produce(task) => task.run(attempt).await,
            Work::Consume(consume) => consume.run(attempt).await,
        }
    }

    fn guarantee(&self) -> Guarantee {
        match &self.work {
            Work::Produce(task) => task.guarantee(),
            Work::Nothing | Work::Consume(_) => Guarantee::ExactlyOnce,
        }
    }

    fn connections(&self) -> Vec<&str> {
        let mut names = vec![self.connection.as_str()];
        if let Work::Produce(task) = &self.work {
            names.extend(task.connections());
        }
        names
    }

    fn touches(&self) -> Vec<Touch<'_>> {
        let declared = self.topics.iter().map(|topic| self.touch(topic.deed()));
        let mut touches: Vec<Touch<'_>> = declared.collect();
        match &self.work {
            Work::Nothing => {}
            Work::Produce(task) => touches.extend(task.touches()),
            Work::Consume(consume) => touches.extend(consume.feed.touches()),
        }
        touches
    }
}

impl KafkaTask {
    fn touch<'a>(&'a self, deed: Deed<'a>) -> Touch<'a> {
        Touch {
            connection: self.connection.as_str(),
            deed,
        }
    }

    async fn declare(
        &self,
        cluster: &KafkaCluster,
        attempt: &AttemptContext,
    ) -> Result<(), TaskFailure> {
        for topic in &self.topics {
            topic.declare(cluster, attempt).await?;
        }
        Ok(())
    }
}
