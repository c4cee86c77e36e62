//! The row of the table, and the configured connection.

use std::path::Path;
use std::sync::Arc;

use schemars::{Schema, json_schema};

use super::KafkaCluster;
use super::cluster::Address;
use super::properties::{self, PropertyValue};
use super::settings::{Login, OauthClient, Pem, Settings, Tls};
use crate::connection::{Connection, ConnectionKind, Surroundings};
use crate::document::{Diagnostic, FromNode, Map, Node, Report, Spanned, Value, nearest};
use crate::secret::Secret;

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

crate::record! {
    /// TLS: whom to trust, and who we are.
    pub struct TlsRecord as "`tls`" {
        /// The certificates of the authorities to trust, PEM: a file in the project or the text itself.
        /// Left out, those of the system.
        ca: Option<Spanned<String>>,
        /// Our own certificate, PEM: a file or the text itself.
        certificate: Option<Spanned<String>>,
        /// The certificate's private key, PEM: a file or the text itself.
        key: Option<Spanned<String>>,
        /// What the key is encrypted with.
        key_password: Option<String>,
        /// Checks that the broker is who it says. Without it anybody may pose as the broker.
        verify: bool = "true" => true,
    }
}

crate::record! {
    /// A login by SASL.
    pub struct SaslRecord as "`sasl`" {
        /// How the login is proven.
        mechanism: Mechanism,
        /// For PLAIN and SCRAM.
        username: Option<String>,
        /// For PLAIN and SCRAM.
        password: Option<String>,
        /// For OAUTHBEARER: where tokens are had.
        oauth2: Option<Oauth2Record>,
    }
}

crate::record! {
    /// Tokens by OAuth 2.0's client credentials (RFC 6749, 4.4), renewed before they expire.
    pub struct Oauth2Record as "`oauth2`" {
        /// The address that gives tokens.
        token_url: Spanned<String>,
        client_id: String,
        client_secret: String,
        /// What the token shall be good for.
        scope: Option<String>,
    }
}

crate::choice! {
    /// How a login is proven.
    pub enum Mechanism as "mechanism" {
        Plain = "PLAIN",
        Scram256 = "SCRAM-SHA-256",
        Scram512 = "SCRAM-SHA-512",
        Oauthbearer = "OAUTHBEARER",
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

/// `true`, `false` or a map.
#[derive(Debug, Clone, PartialEq)]
pub struct TlsChoice(Option<TlsRecord>);

impl FromNode for TlsChoice {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        match node.value {
            Value::Bool(false) => Some(Self(None)),
            Value::Bool(true) => TlsRecord::from_entries(&[], node.span, report)
                .map(Some)
                .map(Self),
            Value::Map(_) => TlsRecord::from_node(node, report).map(Some).map(Self),
            _ => {
                report.expected("true, false or a map", node);
                None
            }
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "type": "boolean" }, TlsRecord::schema()] })
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

fn read_tls(record: &TlsRecord, root: &Path, report: &mut Report) -> Tls {
    let mut pem = |text: &Option<Spanned<String>>| {
        text.as_ref().map(|text| {
            if text.contains("-----BEGIN") {
                return Pem::Text(Secret::new(text.value.clone()));
            }
            let path = root.join(&text.value);
            if !path.is_file() {
                report.push(Diagnostic::error(
                    "file-not-found",
                    format!("file `{}` doesn't exist", text.value),
                    text.span,
                ));
            }
            Pem::File(path)
        })
    };
    let tls = Tls {
        ca: pem(&record.ca),
        certificate: pem(&record.certificate),
        key: pem(&record.key),
        key_password: record.key_password.clone().map(Secret::new),
        verify: record.verify,
    };
    for (one, other, present, missing) in [
        ("certificate", "key", &record.certificate, &record.key),
        ("key", "certificate", &record.key, &record.certificate),
    ] {
        if let (Some(present), None) = (present, missing) {
            report.push(
                Diagnostic::error(
                    "missing-key",
                    format!("`{one}` is of no use without `{other}`"),
                    present.span,
                )
                .label(format!("add `{other}:`")),
            );
        }
    }
    tls
}

fn read_login(record: &SaslRecord, report: &mut Report) -> Option<Login> {
    let mechanism = record.mechanism.word();
    if record.mechanism == Mechanism::Oauthbearer {
        for (key, value) in [
            ("username", &record.username),
            ("password", &record.password),
        ] {
            if value.is_some() {
                report.push(Diagnostic::error(
                    "conflict",
                    format!("`{key}` is not for {mechanism}: tokens come from `oauth2`"),
                    record.span,
                ));
            }
        }
        let Some(oauth) = &record.oauth2 else {
            report.push(
                Diagnostic::error(
                    "missing-key",
                    format!("{mechanism} needs `oauth2`"),
                    record.span,
                )
                .help("`oauth2: { token_url: …, client_id: …, client_secret: … }`"),
            );
            return None;
        };
        if !["https://", "http://"]
            .iter()
            .any(|scheme| oauth.token_url.starts_with(scheme))
        {
            report.push(Diagnostic::error(
                "invalid-url",
                "expected a URL such as `https://host/token`",
                oauth.token_url.span,
            ));
        }
        return Some(Login::Token(OauthClient {
            token_url: oauth.token_url.value.clone(),
            client_id: oauth.client_id.clone(),
            client_secret: Secret::new(oauth.client_secret.clone()),
            scope: oauth.scope.clone(),
        }));
    }
    if let Some(oauth) = &record.oauth2 {
        report.push(
            Diagnostic::error(
                "conflict",
                format!("`oauth2` is not for {mechanism}"),
                oauth.span,
            )
            .help("`mechanism: OAUTHBEARER`"),
        );
    }
    for (key, value) in [
        ("username", &record.username),
        ("password", &record.password),
    ] {
        if value.is_none() {
            report.push(
                Diagnostic::error(
                    "missing-key",
                    format!("{mechanism} needs `{key}`"),
                    record.span,
                )
                .label(format!("add `{key}:`")),
            );
        }
    }
    Some(Login::Password {
        mechanism,
        username: record.username.clone()?,
        password: Secret::new(record.password.clone()?),
    })
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
