//! A topic of a Kafka cluster as a sink.

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{Sink, SinkKind};
use crate::data::ndjson::NdjsonEncoder;
use crate::data::{Batch, BatchBuilder, Columns, DataError, RecordSource, Rejects, Written};
use crate::document::{Diagnostic, FromNode, Map, Node, OneOrMany, Span, Spanned};
use crate::model::{ConnectionId, FailureKind};
use crate::task::messages::{Feed, Messages, Opened, Outbox, Outgoing, Transaction};
use crate::task::transfer::columns::Formula;
use crate::task::transfer::end::Selection;
use crate::task::transfer::flow::{Consumer, Flow, finish};
use crate::task::transfer::mapped::{BoundFormula, Mapped, column};
use crate::task::{AttemptContext, Deed, Guarantee, Surroundings, TaskFailure, TaskResult, Touch};
use crate::template::{Scope, Template};

pub(super) const KIND: SinkKind = SinkKind {
    name: "topic",
    doc: "A topic of a Kafka cluster: a message a record, JSON with all digits of its numbers, \
acknowledged by all replicas. With `transactional: true` all messages of a task appear at once, and \
once, whatever is killed when.",
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

/// Makes messages of records with the same columns.
struct MessageWriter<'a> {
    scope: Scope,
    key: Option<BoundFormula<'a>>,
    headers: Vec<(&'a str, BoundFormula<'a>)>,
    partition: Option<BoundFormula<'a>>,
    timestamp: Option<BoundFormula<'a>>,
    writing: Writing,
    /// The columns of the value.
    columns: Vec<usize>,
    shape: Columns,
    encoder: NdjsonEncoder,
}

impl<'a> MessageWriter<'a> {
    fn new(sink: &'a TopicSink, known: &Columns, scope: Scope) -> Result<Self, TaskFailure> {
        let bind = |formula: &'a Option<Formula>| {
            let bound = formula
                .as_ref()
                .map(|formula| BoundFormula::bind(formula, known));
            bound.transpose()
        };
        let columns: Vec<usize> = match &sink.value {
            Some(names) => names
                .iter()
                .map(|name| column(known, name))
                .collect::<Result<_, _>>()?,
            None => (0..known.len()).collect(),
        };
        if sink.writing == Writing::Text && columns.len() != 1 {
            return Err(TaskFailure::permanent(format!(
                "`format: text` writes one column, the records have {}: name it under `value`",
                columns.len()
            )));
        }
        let headers: Result<Vec<_>, TaskFailure> = sink
            .headers
            .iter()
            .map(|(name, formula)| Ok((name.as_str(), BoundFormula::bind(formula, known)?)))
            .collect();
        let shape: Columns = columns.iter().map(|at| known[*at].clone()).collect();
        Ok(Self {
            scope,
            key: bind(&sink.key)?,
            headers: headers?,
            partition: bind(&sink.partition)?,
            timestamp: bind(&sink.timestamp)?,
            writing: sink.writing,
            columns,
            encoder: NdjsonEncoder::new(&shape),
            shape,
        })
    }

    fn message(&mut self, batch: &Batch, row: usize) -> Result<Outgoing, String> {
        let scope = &mut self.scope;
        let mut value = |name: &str, formula: &BoundFormula<'_>| {
            formula
                .evaluate(scope, batch, row)
                .map_err(|error| format!("`{name}`: {error}"))
        };
        let mut message = Outgoing::default();
        if let Some(key) = &self.key {
            message.key = text(value("key", key)?);
        }
        for (name, formula) in &self.headers {
            let value = text(value(name, formula)?);
            message.headers.push(((*name).to_owned(), value));
        }
        if let Some(partition) = &self.partition {
            message.partition = partition_of(&value("partition", partition)?)?;
        }
        if let Some(timestamp) = &self.timestamp {
            message.timestamp = milliseconds(&value("timestamp", timestamp)?)?;
        }
        message.value = match self.writing {
            Writing::Text => batch.cell(row, self.columns[0]).map(<[u8]>::to_vec),
            Writing::Json => {
                let mut builder = BatchBuilder::new(self.shape.clone());
                for at in &self.columns {
                    builder.push(batch.cell(row, *at));
                }
                let mut text = Vec::new();
                self.encoder.encode(&builder.take(), &mut text);
                text.pop();
                Some(text)
            }
        };
        Ok(message)
    }
}

/// A text as it is, anything else as JSON.
fn text(value: Json) -> Option<Vec<u8>> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.into_bytes()),
        other => Some(other.to_string().into_bytes()),
    }
}

fn partition_of(value: &Json) -> Result<Option<i32>, String> {
    let number = match value {
        Json::Null => return Ok(None),
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    match number.parse::<i32>() {
        Ok(number) if number >= 0 => Ok(Some(number)),
        _ => Err(format!("`partition` is a number from 0, not `{number}`")),
    }
}

fn milliseconds(value: &Json) -> Result<Option<i64>, String> {
    match value {
        Json::Null => Ok(None),
        Json::Number(number) if number.as_i64().is_some() => Ok(number.as_i64()),
        Json::String(text) => text
            .parse::<crate::model::Timestamp>()
            .map(|time| Some(time.timestamp_millis()))
            .or_else(|_| text.parse().map(Some))
            .map_err(|_| format!("`timestamp` is a time or milliseconds since 1970, not `{text}`")),
        other => Err(format!(
            "`timestamp` is a time or milliseconds since 1970, not `{other}`"
        )),
    }
}
