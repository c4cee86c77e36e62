//! `properties:`, the library's settings that have no key of their own here.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError as Library;
use schemars::{Schema, json_schema};

use crate::document::{Diagnostic, FromNode, Map, Node, Report, Span, Value, nearest};

/// A text, number or boolean, as the library reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct PropertyValue {
    pub(super) text: String,
    pub(super) span: Span,
}

impl FromNode for PropertyValue {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let text = match &node.value {
            Value::Text(text) => text.to_string(),
            Value::Number(digits) => digits.to_string(),
            Value::Bool(value) => value.to_string(),
            _ => {
                report.expected("a text, a number, true or false", node);
                return None;
            }
        };
        Some(Self {
            text,
            span: node.span,
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// Settings with another place.
const ELSEWHERE: &[(&str, &str)] = &[
    ("bootstrap.servers", "`brokers:` of the connection"),
    ("metadata.broker.list", "`brokers:` of the connection"),
    ("security.protocol", "`tls:` and `sasl:` of the connection"),
    ("sasl.", "`sasl:` of the connection"),
    ("ssl.", "`tls:` of the connection"),
    ("enable.ssl.", "`tls:` of the connection"),
    ("enable.sasl.", "`sasl:` of the connection"),
    ("group.id", "`group:` of the task"),
    ("auto.offset.reset", "`start:` of the task"),
    (
        "enable.auto.commit",
        "the task, which commits what it has finished",
    ),
    (
        "enable.auto.offset.store",
        "the task, which commits what it has finished",
    ),
    ("enable.partition.eof", "the task"),
    ("isolation.level", "the task"),
    ("transactional.id", "`transactional:` of the task"),
    ("enable.idempotence", "the task: messages are never doubled"),
    ("acks", "the task: all replicas acknowledge"),
    (
        "request.required.acks",
        "the task: all replicas acknowledge",
    ),
    ("plugin.library.paths", "nowhere: it would run foreign code"),
];

/// TLS settings that say nothing secret and have no key of their own.
const ALLOWED: &[&str] = &[
    "ssl.cipher.suites",
    "ssl.curves.list",
    "ssl.sigalgs.list",
    "ssl.crl.location",
    "sasl.kerberos.service.name",
];

/// Names that people want, for "did you mean".
const FREQUENT: &[&str] = &[
    "batch.num.messages",
    "batch.size",
    "broker.address.family",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "debug",
    "delivery.timeout.ms",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "group.instance.id",
    "group.protocol",
    "heartbeat.interval.ms",
    "linger.ms",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.max.age.ms",
    "partition.assignment.strategy",
    "partitioner",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queued.max.messages.kbytes",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retries",
    "retry.backoff.ms",
    "session.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.timeout.ms",
    "transaction.timeout.ms",
];

/// Reports what the library doesn't know or take, and what has another place. The library itself
/// is asked, which opens nothing.
pub(super) fn check(properties: &Map<PropertyValue>, report: &mut Report) {
    for (name, value) in &properties.0 {
        let elsewhere = ELSEWHERE.iter().find(|(prefix, _)| {
            let matches = if prefix.ends_with('.') {
                name.starts_with(prefix)
            } else {
                name.value == *prefix
            };
            matches && !ALLOWED.contains(&name.as_str())
        });
        if let Some((_, place)) = elsewhere {
            report.push(
                Diagnostic::error(
                    "misplaced-property",
                    format!("`{}` can't be set in `properties`", name.value),
                    name.span,
                )
                .help(format!("its place is {place}")),
            );
            continue;
        }
        let mut config = ClientConfig::new();
        config.set(name.value.as_str(), value.text.as_str());
        let Err(Library::ClientConfig(_, reason, _, _)) = config.create_native_config() else {
            continue;
        };
        if reason.starts_with("No such configuration property") {
            let mut wrong = Diagnostic::error(
                "unknown-property",
                format!("librdkafka has no setting `{}`", name.value),
                name.span,
            );
            match nearest(name, FREQUENT.iter().copied()) {
                Some(near) => wrong = wrong.label(format!("did you mean `{near}`?")),
                None => {
                    wrong = wrong.help("all settings: librdkafka's CONFIGURATION.md");
                }
            }
            report.push(wrong);
        } else {
            report.push(Diagnostic::error("invalid-value", reason, value.span));
        }
    }
}
