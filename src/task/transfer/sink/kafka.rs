//! A topic of a Kafka cluster as a sink.

mod message;

use async_trait::async_trait;
use serde_json::Value as Json;

use self::message::MessageWriter;
use super::{Sink, SinkKind};
use crate::data::{DataError, RecordSource, Rejects, Written};
use crate::document::{Diagnostic, FromNode, Map, Node, OneOrMany, Span, Spanned};
use crate::model::{ConnectionId, FailureKind};
use crate::task::messages::{Feed, Messages, Opened, Outbox, Transaction};
use crate::task::transfer::columns::Formula;
use crate::task::transfer::end::Selection;
use crate::task::transfer::flow::{Consumer, Flow, finish};
use crate::task::transfer::mapped::Mapped;
use crate::task::{AttemptContext, Deed, Guarantee, Surroundings, TaskFailure, TaskResult, Touch};
use crate::template::Template;

pub(super) const KIND: SinkKind = SinkKind {
    name: "topic",
    doc: "A topic of a Kafka cluster: a message a record, JSON with all digits of its numbers, \
acknowledged by all replicas. With `transactional: true` all messages of a task appear at once, and \
once, whatever is killed when.",
    example: "\
copy:
  from: { dataset: earlier }
  to: { connection: alerts, topic: spreads, key: \"{{ market }}\", transactional: true }
",
    selection: Selection {
        connections: &["kafka"],
        keys: &["topic"],
        alone: &[],
    },
    schema: <ToTopic as FromNode>::schema,
    parse,
};

crate::record! {
    /// A topic.
    struct ToTopic as "a `to` with a topic" {
        /// The Kafka cluster.
        connection: Spanned<String>,
        /// The topic.
        topic: Spanned<String>,
        /// The key of each message, a template over the record: `{{ base }}|{{ target }}`. Messages with the same key go to the same partition, in their order.
        key: Option<Spanned<String>>,
        /// Headers of each message, templates over the record.
        headers: Map<Spanned<String>>,
        /// The partition of each message, a template over the record. By the key when left out.
        partition: Option<Spanned<String>>,
        /// The time of each message, a template over the record: a time, or milliseconds since 1970 in UTC. Now when left out.
        timestamp: Option<Spanned<String>>,
        /// The columns that are in the message. All of them when left out.
        value: Option<OneOrMany<String>>,
        /// How the message is written.
        format: Writing = "json" => Writing::Json,
        /// All messages of the task are one transaction, which happens once: readers see all of them, or none.
        transactional: bool = "false" => false,
    }
}

crate::choice! {
    /// How a message is written.
    enum Writing as "format" {
        /// A JSON object.
        Json = "json",
        /// The only column as it is. NULL is a message without a value.
        Text = "text",
    }
}

#[derive(Debug)]
struct TopicSink {
    connection: ConnectionId,
    topic: Template,
    /// Where its name stands.
    place: Span,
    key: Option<Formula>,
    headers: Vec<(String, Formula)>,
    partition: Option<Formula>,
    timestamp: Option<Formula>,
    value: Option<Vec<String>>,
    writing: Writing,
    transactional: bool,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Sink>> {
    let to = ToTopic::from_node(node, surroundings.report)?;
    let connection = surroundings.connection(&to.connection, &["kafka"]);
    let topic = surroundings.template(&to.topic);
    let mut read = |text: &Option<Spanned<String>>| match text {
        Some(text) => Formula::read(text, surroundings, false).map(Some),
        None => Some(None),
    };
    let (key, partition, timestamp) = (read(&to.key), read(&to.partition), read(&to.timestamp));
    let headers: Option<Vec<_>> = to
        .headers
        .0
        .iter()
        .map(|(name, text)| {
            Some((
                name.value.clone(),
                Formula::read(text, surroundings, false)?,
            ))
        })
        .collect();
    if to.writing_is_unclear() {
        surroundings.report.push(
            Diagnostic::error(
                "conflicting-keys",
                "`format: text` writes one column",
                to.span,
            )
            .label("name it under `value`"),
        );
    }
    Some(Box::new(TopicSink {
        connection: connection?,
        topic: topic?,
        place: to.topic.span,
        key: key?,
        headers: headers?,
        partition: partition?,
        timestamp: timestamp?,
        value: to.value.map(|value| value.0),
        writing: to.format,
        transactional: to.transactional,
    }))
}

impl ToTopic {
    fn writing_is_unclear(&self) -> bool {
        let several = self.value.as_ref().is_some_and(|value| value.0.len() != 1);
        self.format == Writing::Text && several
    }
}

/// How often a transaction is done anew within an attempt when a broker was lost.
const FORGIVEN_LOSSES: u32 = 3;

#[async_trait]
impl Sink for TopicSink {
    fn connection(&self) -> Option<&str> {
        Some(self.connection.as_str())
    }

    fn touch<'a>(&'a self, _: &'a Flow) -> Option<Touch<'a>> {
        Some(Touch {
            connection: self.connection.as_str(),
            deed: Deed::Topic {
                name: self.topic.is_literal().then(|| self.topic.source()),
                place: self.place,
            },
        })
    }

    async fn run(&self, flow: &Flow, attempt: &AttemptContext) -> TaskResult {
        let mut losses = 0;
        loop {
            match self.once(flow, attempt).await {
                Err(failure)
                    if self.transactional
                        && failure.cause.kind == FailureKind::Retryable
                        && !attempt.cancel.is_cancelled()
                        && losses < FORGIVEN_LOSSES =>
                {
                    losses += 1;
                    let message = &failure.cause.message;
                    attempt.log.warn(format!("begins again: {message}"));
                }
                done => return done,
            }
        }
    }

    fn guarantee(&self) -> Guarantee {
        if self.transactional {
            Guarantee::ExactlyOnce
        } else {
            Guarantee::AtLeastOnce {
                reason: "an attempt that is repeated sends its messages again: \
                         `transactional: true` sends them once"
                    .to_owned(),
            }
        }
    }
}

impl TopicSink {
    async fn once(&self, flow: &Flow, attempt: &AttemptContext) -> TaskResult {
        let name = self.connection.as_str();
        let cluster = attempt
            .connections
            .kafka(name)
            .ok_or_else(|| TaskFailure::permanent(format!("connection `{name}` is no Kafka")))?;
        let topic = self.topic.render(&attempt.scope)?;
        let made = vec![format!("{topic} in {name}")];
        let transaction = self.transactional.then(|| Transaction {
            id: format!("runner/{}", attempt.idempotency_key()),
        });
        let outbox = match Outbox::open(cluster, &topic, transaction).await? {
            Opened::Ready(outbox) => outbox,
            Opened::Done(note) => {
                attempt
                    .log
                    .info("an earlier attempt has committed this: nothing is done again");
                let written = read_note(&note);
                return Ok(flow.output(attempt, &written, None, made));
            }
        };
        let rejects = flow.rejects(attempt)?;
        let mut sending = Sending {
            sink: self,
            attempt,
            rejects: rejects.clone(),
            outbox,
            written: Written { rows: 0, bytes: 0 },
        };
        let relayed = flow.from.as_feed().filter(|_| self.transactional);
        let written = if let Some(feed) = relayed {
            // The group moves on in the same transaction.
            tokio::select! {
                done = relay(flow, feed, attempt, sending) => done?,
                () = attempt.cancel.cancelled() => {
                    return Err(TaskFailure::retryable("cancelled"));
                }
            }
        } else {
            flow.pass_until_cancelled(attempt, rejects.as_ref(), &mut sending)
                .await?;
            finish(rejects.as_ref())?;
            let written = sending.written;
            sending.outbox.finish(note(&written), None).await?;
            written
        };
        attempt
            .log
            .info(format!("{} messages to `{topic}`", written.rows));
        Ok(flow.output(attempt, &written, rejects.as_ref(), made))
    }
}

/// Sends the messages of another topic in the transaction that tells their group.
async fn relay(
    flow: &Flow,
    feed: &Feed,
    attempt: &AttemptContext,
    mut sending: Sending<'_>,
) -> Result<Written, TaskFailure> {
    let (mapping, rejects) = (&flow.mapping, sending.rejects.clone());
    let mut messages = Messages::open(feed, attempt, mapping.wanted(), rejects.clone()).await?;
    if mapping.is_nothing() {
        sending.consume(&mut messages).await?;
    } else {
        let scope = attempt.scope.clone();
        let mut mapped = Mapped::open(&mut messages, mapping, scope, rejects.clone()).await?;
        sending.consume(&mut mapped).await?;
    }
    finish(rejects.as_ref())?;
    let written = sending.written;
    let progress = messages.progress().await?;
    sending
        .outbox
        .finish(note(&written), Some(progress))
        .await?;
    messages.leave().await;
    Ok(written)
}

fn note(written: &Written) -> String {
    serde_json::json!({ "rows": written.rows, "bytes": written.bytes }).to_string()
}

fn read_note(note: &str) -> Written {
    let note: Json = serde_json::from_str(note).unwrap_or_default();
    let number = |name: &str| note.get(name).and_then(Json::as_u64).unwrap_or_default();
    Written {
        rows: number("rows"),
        bytes: number("bytes"),
    }
}

struct Sending<'a> {
    sink: &'a TopicSink,
    attempt: &'a AttemptContext,
    rejects: Option<Rejects>,
    outbox: Outbox,
    written: Written,
}

#[async_trait]
impl Consumer for Sending<'_> {
    async fn consume(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure> {
        let columns = source.columns().clone();
        if columns.is_empty() && source.next().await?.is_none() {
            return Ok(());
        }
        let mut writer = MessageWriter::new(self.sink, &columns, self.attempt.scope.clone())?;
        let mut row = 0;
        while let Some(batch) = source.next().await? {
            let mut messages = Vec::with_capacity(batch.rows());
            for at in 0..batch.rows() {
                match writer.message(&batch, at) {
                    Ok(message) => {
                        let value = message.value.as_ref().map_or(0, Vec::len);
                        self.written.bytes += value as u64;
                        messages.push(message);
                    }
                    Err(reason) => {
                        let reject = crate::data::Reject {
                            place: source.place(row + at as u64),
                            column: None,
                            value: None,
                            reason,
                            record: Json::Object(batch.row_as_json(at)).to_string(),
                        };
                        match &self.rejects {
                            Some(rejects) => rejects.add(reject),
                            None => return Err(DataError::from(reject).into()),
                        }
                    }
                }
            }
            row += batch.rows() as u64;
            self.written.rows += messages.len() as u64;
            self.outbox.send(messages).await?;
        }
        Ok(())
    }
}
