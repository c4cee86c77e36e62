//! A URL that takes messages, as Slack, Mattermost, Discord and many others have one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::{Schema, json_schema};
use serde_json::json;

use super::{
    Connection, ConnectionKind, HttpApi, HttpBody, HttpLimits, HttpMethod, HttpRequest, Message,
    Notifier, NotifyError, Sending, Surroundings,
};
use crate::document::{Diagnostic, FromNode, Map, Node, Spanned, Value};
use crate::secret::Secret;

pub(super) const KIND: ConnectionKind = ConnectionKind {
    name: "webhook",
    doc: "A URL that messages are posted to as `{\"text\": …}`, as Slack, Mattermost and many others \
take them: the URL, or a map with headers. The URL is a secret.",
    example: "ops: { webhook: \"https://hooks.example.com/services/T0/B0/token\" }\n",
    schema,
    parse,
};

crate::record! {
    /// A webhook.
    struct Settings as "a webhook" {
        /// Where messages are posted to.
        url: Spanned<String>,
        /// Sent with every message. An empty value leaves the header out.
        headers: Map<Spanned<String>>,
        /// The channel that is meant where a message names none.
        channel: Option<String>,
        /// From the start of a request to the last byte of its answer.
        timeout: Duration = "30s" => USUAL_TIMEOUT,
    }
}

const USUAL_TIMEOUT: Duration = Duration::from_secs(30);
/// A shorter path is no token, and would mask common words.
const SHORTEST_TOKEN: usize = 12;
/// A part of the path so long is no word.
const LONG_PART: usize = 16;
/// Nobody reads more of an answer.
const MOST_ANSWER: u64 = 64 * 1024;

fn schema() -> Schema {
    json_schema!({ "anyOf": [
        { "type": "string", "examples": ["${OPS_WEBHOOK}"] },
        Settings::schema(),
    ] })
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Arc<dyn Connection>> {
    let settings = if let Value::Text(_) = node.value {
        Settings {
            span: node.span,
            url: Spanned::from_node(node, surroundings.report)?,
            headers: Map::default(),
            channel: None,
            timeout: USUAL_TIMEOUT,
        }
    } else if node.as_map().is_some() {
        Settings::from_node(node, surroundings.report)?
    } else {
        surroundings
            .report
            .expected("a URL or a map with `url`", node);
        return None;
    };
    let url = &settings.url;
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
        // The URL isn't repeated: it is a secret.
        surroundings.report.push(Diagnostic::error(
            "invalid-url",
            "expected a URL such as `https://hooks.example.com/services/…`",
            url.span,
        ));
        return None;
    }
    let headers = settings.headers.0.into_iter();
    Some(Arc::new(Webhook {
        url: Secret::new(url.value.clone()),
        headers: headers
            .map(|(name, value)| (name.value, Secret::new(value.value)))
            .collect(),
        channel: settings.channel,
        timeout: settings.timeout,
        api: HttpApi::anywhere(surroundings.environment),
    }))
}

/// A configured webhook.
#[derive(Debug)]
struct Webhook {
    url: Secret<String>,
    headers: Vec<(String, Secret<String>)>,
    channel: Option<String>,
    timeout: Duration,
    api: HttpApi,
}

impl Connection for Webhook {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn secrets(&self) -> Vec<String> {
        let url = self.url.reveal();
        // Messages of HTTP clients may have it with a `/` or without, and parts of it.
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let token = Some(path).filter(|path| path.len() >= SHORTEST_TOKEN);
        let headers = self.headers.iter().map(|(_, value)| value.reveal().clone());
        // The part that opens may be known by itself, from the variable that it came from.
        let parts = path.split(['/', '?', '&', '=']);
        let parts = parts.filter(|part| part.len() >= LONG_PART);
        token
            .into_iter()
            .chain(parts)
            .map(str::to_owned)
            .chain(headers.filter(|value| value.len() >= SHORTEST_TOKEN))
            .collect()
    }

    fn as_notifier(&self) -> Option<&dyn Notifier> {
        Some(self)
    }
}

#[async_trait]
impl Notifier for Webhook {
    async fn notify(&self, message: &Message, around: &Sending) -> Result<String, NotifyError> {
        if !message.to.is_empty() {
            return Err(NotifyError::permanent(
                "a webhook has no addresses: `to` is for a connection of kind `smtp`",
            ));
        }
        let body = message.json.clone().unwrap_or_else(|| {
            let mut text = message.whole_text("• ");
            if let Some(title) = &message.title {
                text = format!("*{title}*\n{text}");
            }
            let mut body = json!({ "text": text.trim_end() });
            if let Some(channel) = message.channel.as_ref().or(self.channel.as_ref()) {
                body["channel"] = json!(channel);
            }
            body
        });
        let request = HttpRequest {
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.reveal().clone()))
                .collect(),
            body: HttpBody::Bytes {
                content_type: "application/json".to_owned(),
                bytes: body.to_string().into(),
            },
            // Said twice is better than not at all.
            idempotency_key: Some(message.key.clone()),
            retry_writes: true,
            limits: HttpLimits {
                timeout: Some(self.timeout),
                ..HttpLimits::default()
            },
            ..HttpRequest::new(HttpMethod::Post, self.url.reveal().clone())
        };
        let (head, _) = self.api.fetch(&request, MOST_ANSWER, around).await?;
        Ok(format!("the webhook, which answered {}", head.status))
    }
}
