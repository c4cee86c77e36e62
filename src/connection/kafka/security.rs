//! Encryption and login of a connection, as they are written.

use std::path::Path;

use schemars::{Schema, json_schema};

use super::settings::{Login, OauthClient, Pem, Tls};
use crate::document::{Diagnostic, FromNode, Node, Report, Spanned, Value};
use crate::secret::Secret;

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

/// `true`, `false` or a map.
#[derive(Debug, Clone, PartialEq)]
pub struct TlsChoice(pub(super) Option<TlsRecord>);

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

pub(super) fn read_tls(record: &TlsRecord, root: &Path, report: &mut Report) -> Tls {
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

pub(super) fn read_login(record: &SaslRecord, report: &mut Report) -> Option<Login> {
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
