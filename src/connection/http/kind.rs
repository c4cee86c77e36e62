//! The row of the table, and the configured connection.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use schemars::{Schema, json_schema};

use super::HttpApi;
use super::api::Shared;
use super::settings::Settings;
use crate::connection::{Connection, ConnectionKind, RateLimit, Surroundings};
use crate::document::{Diagnostic, Entry, FromNode, Node, Span, Spanned, Value};

pub(in crate::connection) const KIND: ConnectionKind = ConnectionKind {
    name: "http",
    doc: "An HTTP API: its base URL, or a map with headers, credentials, certificates, limits.",
    example: "github: { http: { base_url: \"https://api.github.com\", rate_limit: 1/s } }\n",
    schema,
    parse,
};

fn schema() -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "examples": ["https://api.github.com"] },
            Settings::schema(),
        ]
    })
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Arc<dyn Connection>> {
    let settings = if let Value::Text(_) = node.value {
        let entry = Entry {
            key: Spanned::new("base_url".into(), node.span),
            value: node.clone(),
        };
        Settings::from_entries(&[entry], node.span, surroundings.report)?
    } else if node.as_map().is_some() {
        Settings::from_node(node, surroundings.report)?
    } else {
        let report = &mut surroundings.report;
        report.expected("a URL or a map with `base_url`", node);
        return None;
    };
    let base = match reqwest::Url::parse(&settings.base_url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        Ok(_) | Err(_) => {
            surroundings.report.push(wrong_url(settings.base_url.span));
            return None;
        }
    };
    Some(Arc::new(Http {
        base: base.clone(),
        api: HttpApi::new(Shared {
            base: Some(base),
            rate: settings.rate_limit.map(RateLimit::new),
            timeout: settings.timeout,
            connect_timeout: settings.connect_timeout,
            read_timeout: settings.read_timeout,
            body_limit: settings.body_limit.0,
            clients: Mutex::default(),
        }),
    }))
}

/// The URL isn't repeated: it may hold a password.
fn wrong_url(span: Span) -> Diagnostic {
    Diagnostic::error(
        "invalid-url",
        "expected a URL such as `https://api.example.com/v3`",
        span,
    )
}

/// A configured API.
#[derive(Debug)]
struct Http {
    base: reqwest::Url,
    api: HttpApi,
}

#[async_trait]
impl Connection for Http {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    async fn probe(&self) -> Result<(), String> {
        super::probe::reach(&self.base).await
    }

    fn as_http(&self) -> Option<&HttpApi> {
        Some(&self.api)
    }
}
