//! The row of the table, and the configured connection.

use std::sync::Arc;

use schemars::{Schema, json_schema};

use super::KafkaCluster;
use super::cluster::Address;
use super::properties::{self, PropertyValue};
use super::security::{Mechanism, SaslRecord, TlsChoice, read_login, read_tls};
use super::settings::Settings;
use crate::connection::{Connection, ConnectionKind, Surroundings};
use crate::document::{Diagnostic, FromNode, Map, Node, Report, Spanned, Value, nearest};

pub(in crate::connection) const KIND: ConnectionKind = ConnectionKind {
    name: "kafka",
    doc: "A Kafka cluster: its brokers, or `embedded` for a private server of the project, which runs \
          while something uses it.",
    example: "alerts: { kafka: embedded }\n",
    schema,
    parse,
};

crate::record! {
    /// A Kafka cluster.
    pub struct KafkaRecord as "a kafka connection" {
        /// The brokers to begin with, `host:port` (9092 when it is left out), as a list or a text with
        /// commas; or `embedded`.
        brokers: Brokers,
        /// Encrypts: `true` trusts whom the system trusts; a map says more.
        tls: TlsChoice = "false" => TlsChoice(None),
        /// How to log in.
        sasl: Option<SaslRecord>,
        /// Further settings of librdkafka by their names, such as `linger.ms: 5`.
        properties: Map<PropertyValue>,
    }
}

/// `embedded`, or brokers.
#[derive(Debug, Clone, PartialEq)]
pub struct Brokers(Vec<Spanned<String>>);

impl FromNode for Brokers {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let texts: Vec<Spanned<String>> = match &node.value {
            Value::Text(_) => vec![Spanned::from_node(node, report)?],
            Value::List(_) => Vec::from_node(node, report)?,
            _ => {
                report.expected("`embedded`, or brokers such as `host:9092`", node);
                return None;
            }
        };
        let brokers: Vec<Spanned<String>> = texts
            .iter()
            .flat_map(|text| {
                let parts = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                parts.map(|part| Spanned::new(part.to_owned(), text.span))
            })
            .collect();
        if brokers.is_empty() {
            report.push(
                Diagnostic::error("missing-value", "there is no broker", node.span)
                    .label("expected `embedded`, or brokers such as `host:9092`"),
            );
            return None;
        }
        let mut right = true;
        for broker in &brokers {
            if let Err(message) = check_broker(broker, brokers.len()) {
                let mut wrong = Diagnostic::error("invalid-value", message, broker.span);
                if let Some(near) = nearest(broker, ["embedded"]) {
                    wrong = wrong.label(format!("did you mean `{near}`?"));
                }
                report.push(wrong);
                right = false;
            }
        }
        right.then_some(Self(brokers))
    }

    fn schema() -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "examples": ["embedded", "localhost:9092"] },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            ]
        })
    }
}

fn check_broker(broker: &str, count: usize) -> Result<(), String> {
    if broker == "embedded" {
        return if count == 1 {
            Ok(())
        } else {
            Err("`embedded` can't stand beside other brokers".to_owned())
        };
    }
    if broker.contains("://") || broker.contains('/') || broker.contains('@') {
        // It may have a password in it: it isn't repeated.
        return Err(
            "a broker is `host:port`, without a scheme, a user or a path: `tls:` and `sasl:` say \
             the rest"
                .to_owned(),
        );
    }
    let port = match broker.rsplit_once(':') {
        // An address of IPv6 has its colons in brackets.
        Some((host, port)) if !port.contains(']') => {
            if host.is_empty() {
                return Err(format!("`{broker}` has no host"));
            }
            Some(port)
        }
        _ => None,
    };
    let known = nearest(broker, ["embedded"]).is_some();
    match port {
        Some(port) if port.parse::<u16>().is_err() => {
            Err(format!("`{port}` is no port of a broker"))
        }
        None if known => Err(format!(
            "expected `embedded` or `host:port`, found `{broker}`"
        )),
        _ => Ok(()),
    }
}

fn schema() -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "examples": ["embedded", "localhost:9092"] },
            KafkaRecord::schema(),
        ]
    })
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Arc<dyn Connection>> {
    let record = if node.as_map().is_some() {
        KafkaRecord::from_node(node, surroundings.report)?
    } else {
        KafkaRecord {
            span: node.span,
            brokers: Brokers::from_node(node, surroundings.report)?,
            tls: TlsChoice(None),
            sasl: None,
            properties: Map::default(),
        }
    };
    let embedded = record.brokers.0.iter().any(|broker| **broker == "embedded");
    let before = surroundings.report.diagnostics().len();
    if embedded {
        let protected = record.tls.0.as_ref().map(|tls| ("tls", tls.span));
        let login = record.sasl.as_ref().map(|sasl| ("sasl", sasl.span));
        for (key, span) in protected.into_iter().chain(login) {
            surroundings.report.push(Diagnostic::error(
                "conflict",
                format!("`{key}` is for other servers: the embedded one answers this machine only"),
                span,
            ));
        }
    }
    let root = surroundings.places.root.clone();
    let report = &mut *surroundings.report;
    let tls = record
        .tls
        .0
        .as_ref()
        .map(|tls| read_tls(tls, &root, report));
    let login = record.sasl.as_ref().map(|sasl| read_login(sasl, report));
    if let (None, Some(sasl)) = (&tls, &record.sasl)
        && matches!(sasl.mechanism, Mechanism::Plain | Mechanism::Oauthbearer)
        && !record.brokers.0.iter().all(|broker| is_local(broker))
    {
        let what = format!(
            "{} sends the secret as it is, and without `tls` everybody on the way can read it",
            sasl.mechanism.word()
        );
        report.push(
            Diagnostic::warning("unencrypted-login", what, sasl.span)
                .help("add `tls: true`, or use SCRAM-SHA-512"),
        );
    }
    properties::check(&record.properties, report);
    let wrong = |diagnostic: &Diagnostic| diagnostic.severity == crate::document::Severity::Error;
    if report.diagnostics()[before..].iter().any(wrong) {
        return None;
    }
    let settings = Settings {
        tls,
        login: login.flatten(),
        properties: record
            .properties
            .0
            .iter()
            .map(|(name, value)| (name.value.clone(), value.text.clone()))
            .collect(),
    };
    let address = if embedded {
        Address::Embedded(Arc::clone(surroundings.places))
    } else {
        let brokers: Vec<&str> = record.brokers.0.iter().map(|b| b.value.as_str()).collect();
        Address::Brokers(brokers.join(","))
    };
    Some(Arc::new(KafkaConnection {
        cluster: KafkaCluster::new(address, settings),
    }))
}

fn is_local(broker: &str) -> bool {
    let host = broker
        .rsplit_once(':')
        .map_or(broker, |(host, _)| host)
        .trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A configured cluster. Connects at the first use.
#[derive(Debug)]
struct KafkaConnection {
    cluster: KafkaCluster,
}

impl Connection for KafkaConnection {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn secrets(&self) -> Vec<String> {
        self.cluster.settings().secrets()
    }

    fn as_kafka(&self) -> Option<&KafkaCluster> {
        Some(&self.cluster)
    }
}
