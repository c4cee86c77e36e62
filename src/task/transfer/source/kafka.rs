//! A topic of a Kafka cluster as a source.

use async_trait::async_trait;
use schemars::Schema;

use super::{Source, SourceKind};
use crate::data::Rejects;
use crate::document::{FromNode as _, Node, Spanned, read_map, refuse_unknown_keys};
use crate::task::messages::{Feed, FeedSettings, Messages};
use crate::task::transfer::columns::Mapping;
use crate::task::transfer::end::Selection;
use crate::task::transfer::flow::Consumer;
use crate::task::{AttemptContext, Surroundings, TaskFailure, Touch};

pub(super) const KIND: SourceKind = SourceKind {
    name: "topic",
    doc: "A topic of a Kafka cluster, read as a member of a group. Into PostgreSQL every message is \
loaded exactly once: how far the group has come stands in the database itself \
(`runner.kafka_offsets`), and moves on in the transaction that holds the records.",
    selection: Selection {
        connections: &["kafka"],
        keys: &["topic"],
        alone: &[],
    },
    schema,
    parse,
};

const WHAT: &str = "a `from` with a topic";

crate::record! {
    /// A topic.
    struct FromTopic as "a `from` with a topic" {
        /// The Kafka cluster.
        connection: Spanned<String>,
        /// The topic.
        topic: Spanned<String>,
    }
}

fn schema() -> Schema {
    FeedSettings::beside(FromTopic::schema())
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Source>> {
    let entries = read_map(node, surroundings.report)?;
    let known = [FromTopic::KEYS, FeedSettings::KEYS].concat();
    let entries = refuse_unknown_keys(entries, &known, WHAT, surroundings.report);
    let from = FromTopic::from_entries(&entries, node.span, surroundings.report)?;
    let settings = FeedSettings::from_entries(&entries, node.span, surroundings.report)?;
    let connection = surroundings.connection(&from.connection, &["kafka"])?;
    let feed = Feed::read(connection, &from.topic, &settings, surroundings)?;
    Some(Box::new(Topic(feed)))
}

#[derive(Debug)]
struct Topic(Feed);

#[async_trait]
impl Source for Topic {
    fn connection(&self) -> Option<&str> {
        Some(self.0.connection.as_str())
    }

    async fn read_into(
        &self,
        attempt: &AttemptContext,
        mapping: &Mapping,
        rejects: Option<&Rejects>,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure> {
        let wanted = mapping.wanted();
        let mut messages = Messages::open(&self.0, attempt, wanted, rejects.cloned()).await?;
        consumer.consume(&mut messages).await?;
        let read = messages.read();
        messages.finish().await?;
        attempt
            .log
            .info(format!("{} messages were read", read.messages));
        Ok(read.bytes)
    }

    fn touches(&self) -> Vec<Touch<'_>> {
        self.0.touches()
    }

    fn as_feed(&self) -> Option<&Feed> {
        Some(&self.0)
    }
}
