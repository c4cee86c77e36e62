//! Topics that a task declares.

use std::num::NonZeroU32;

use crate::connection::kafka::{KafkaCluster, TopicSpec};
use crate::document::{Map, Node, Span, Spanned, Value};
use crate::task::{AttemptContext, Deed, Surroundings, TaskFailure};
use crate::template::Template;

crate::record! {
    /// What a topic is like.
    pub(super) struct RawTopic as "a topic" {
        /// Its partitions. More can be added later, which sends keys elsewhere; a topic can't lose any.
        partitions: NonZeroU32 = "1" => NonZeroU32::MIN,
        /// How many brokers keep each message. What the brokers have as their default when left out.
        replication: Option<NonZeroU32>,
        /// Kafka's settings of topics: `retention.ms`, `cleanup.policy`, ….
        config: Map<Node>,
    }
}

/// A topic that must be there.
#[derive(Debug)]
pub(super) struct Declaration {
    name: Template,
    /// Where the name stands.
    place: Span,
    partitions: u32,
    replication: Option<u32>,
    config: Vec<(String, String)>,
}

impl Declaration {
    pub(super) fn read(
        name: &Spanned<String>,
        topic: &RawTopic,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Self> {
        let template = surroundings.template(name);
        let config: Vec<Option<_>> = topic
            .config
            .0
            .iter()
            .map(|(key, node)| {
                let text = match &node.value {
                    Value::Text(text) => text.to_string(),
                    Value::Map(_) | Value::List(_) => {
                        surroundings
                            .report
                            .expected("a text, a number or a boolean", node);
                        return None;
                    }
                    _ => node.to_json().to_string(),
                };
                Some((key.value.clone(), text))
            })
            .collect();
        Some(Self {
            name: template?,
            place: name.span,
            partitions: topic.partitions.get(),
            replication: topic.replication.map(NonZeroU32::get),
            config: config.into_iter().collect::<Option<_>>()?,
        })
    }

    /// What it does, for looking at it before a run.
    pub(super) fn deed(&self) -> Deed<'_> {
        Deed::Declaration {
            name: self.name.is_literal().then(|| self.name.source()),
            partitions: self.partitions,
            place: self.place,
        }
    }

    /// Sees that the topic is there.
    pub(super) async fn declare(
        &self,
        cluster: &KafkaCluster,
        attempt: &AttemptContext,
    ) -> Result<(), TaskFailure> {
        let name = self.name.render(&attempt.scope)?;
        let spec = TopicSpec {
            name: name.clone(),
            partitions: self.partitions,
            replication: self.replication,
            config: self.config.iter().cloned().collect(),
        };
        let declared = cluster.declare(&spec).await?;
        if declared.created {
            attempt.log.info(format!("topic `{name}` was made"));
        }
        for change in &declared.changed {
            attempt.log.info(format!("topic `{name}`: {change}"));
        }
        for difference in &declared.differs {
            attempt.log.warn(format!("topic `{name}`: {difference}"));
        }
        Ok(())
    }
}
