//! Tells people something.

use async_trait::async_trait;
use schemars::{Schema, json_schema};
use serde_json::Value as Json;

use super::{
    AttemptContext, Guarantee, Metrics, Surroundings, Task, TaskFailure, TaskKind, TaskOutput,
    TaskResult,
};
use crate::connection::{Message, NotifyError, Sending};
use crate::document::{Diagnostic, FromNode, Map, Node, OneOrMany, Spanned};
use crate::model::{ConnectionId, FailureKind};
use crate::template::{Template, TemplateValue};

/// The kinds of connections that carry messages.
const CARRIERS: &[&str] = &["webhook", "smtp"];

pub(super) const KIND: TaskKind = TaskKind {
    name: "notify",
    doc: "Tells people something by a connection of kind `webhook` or `smtp`. Where it isn't \
important, `required: false` makes a message that nobody takes a warning instead of a failure.",
    example: include_str!("notify/example.yaml"),
    schema: Notify::schema,
    parse,
};

crate::record! {
    /// Tells people something.
    struct Notify as "a `notify`" {
        /// A connection of kind `webhook` or `smtp`.
        connection: Spanned<String>,
        /// What is to be said.
        text: Option<Spanned<String>>,
        /// What it is about, in a few words: the subject of an e-mail, the first line in a chat.
        title: Option<Spanned<String>>,
        /// Names and values that stand below the text.
        fields: Map<FieldText>,
        /// The addresses of an e-mail, in place of the connection's.
        to: OneOrMany<Spanned<String>>,
        /// The channel of a chat, in place of the connection's.
        channel: Option<Spanned<String>>,
        /// The whole body that is posted to a webhook, in place of `{"text": …}`.
        json: Option<Node>,
        /// Whether it is a failure when the message isn't taken. With `false` it's a warning in the log.
        required: bool = "true" => true,
    }
}

/// The value of a field: a text, a number or a truth.
#[derive(Debug, Clone, PartialEq)]
struct FieldText(Spanned<String>);

impl FromNode for FieldText {
    fn from_node(node: &Node, report: &mut crate::document::Report) -> Option<Self> {
        use crate::document::Value;
        let text = match &node.value {
            Value::Text(text) => text.to_string(),
            Value::Number(digits) => digits.to_string(),
            Value::Bool(value) => value.to_string(),
            _ => {
                report.expected("a text", node);
                return None;
            }
        };
        Some(Self(Spanned::new(text, node.span)))
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// A checked message.
#[derive(Debug)]
struct NotifyTask {
    connection: ConnectionId,
    text: Option<Template>,
    title: Option<Template>,
    fields: Vec<(String, Template)>,
    to: Vec<Template>,
    channel: Option<Template>,
    json: Option<TemplateValue>,
    required: bool,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    let notify = Notify::from_node(node, surroundings.report)?;
    let connection = surroundings.connection(&notify.connection, CARRIERS);
    let mut fine = check_shape(&notify, surroundings);
    let mut template = |text: &Spanned<String>| {
        let template = surroundings.template(text);
        fine &= template.is_some();
        template
    };
    let text = notify.text.as_ref().and_then(&mut template);
    let title = notify.title.as_ref().and_then(&mut template);
    let channel = notify.channel.as_ref().and_then(&mut template);
    let to = notify.to.0.iter().filter_map(&mut template).collect();
    let fields = notify.fields.0.iter();
    let fields = fields
        .filter_map(|(name, FieldText(text))| Some((name.value.clone(), template(text)?)))
        .collect();
    let json = match &notify.json {
        Some(json) => Some(surroundings.template_value(json)?),
        None => None,
    };
    let connection = connection?;
    fine.then(|| {
        Box::new(NotifyTask {
            connection,
            text,
            title,
            fields,
            to,
            channel,
            json,
            required: notify.required,
        }) as Box<dyn Task>
    })
}

/// What has to be there, and what the connection has no place for.
fn check_shape(notify: &Notify, surroundings: &mut Surroundings<'_>) -> bool {
    let kind = surroundings.project.connection_kind(&notify.connection);
    let mut mistakes = Vec::new();
    if notify.text.is_none() && notify.json.is_none() {
        mistakes.push(
            Diagnostic::error("missing-key", "a `notify` needs `text`", notify.span)
                .label("add `text:`"),
        );
    }
    if let (Some(text), Some(_)) = (&notify.text, &notify.json) {
        mistakes.push(
            Diagnostic::error(
                "conflicting-keys",
                "`json` is the whole message, `text` would not be sent",
                text.span,
            )
            .label("leave one of them"),
        );
    }
    if kind == Some("webhook")
        && let Some(to) = notify.to.0.first()
    {
        mistakes.push(
            Diagnostic::error("conflicting-keys", "a webhook has no addresses", to.span)
                .label("`to` is for a connection of kind `smtp`"),
        );
    }
    if kind == Some("smtp") {
        for (name, what, span) in [
            (
                "channel",
                "channels",
                notify.channel.as_ref().map(|text| text.span),
            ),
            (
                "json",
                "bodies of requests",
                notify.json.as_ref().map(|json| json.span),
            ),
        ] {
            let Some(span) = span else { continue };
            mistakes.push(
                Diagnostic::error(
                    "conflicting-keys",
                    format!("a mail server has no {what}"),
                    span,
                )
                .label(format!("`{name}` is for a connection of kind `webhook`")),
            );
        }
    }
    let fine = mistakes.is_empty();
    for mistake in mistakes {
        surroundings.report.push(mistake);
    }
    fine
}

impl NotifyTask {
    fn message(&self, attempt: &AttemptContext) -> Result<Message, TaskFailure> {
        let scope = &attempt.scope;
        let text = |template: &Option<Template>| match template {
            Some(template) => template.render(scope).map(Some),
            None => Ok(None),
        };
        let fields = self.fields.iter();
        let to = self.to.iter();
        Ok(Message {
            title: text(&self.title)?,
            text: text(&self.text)?.unwrap_or_default(),
            fields: fields
                .map(|(name, value)| Ok((name.clone(), value.render(scope)?)))
                .collect::<Result<_, TaskFailure>>()?,
            to: to
                .map(|to| to.render(scope))
                .collect::<Result<Vec<_>, _>>()?,
            channel: text(&self.channel)?,
            json: match &self.json {
                Some(json) => Some(json.evaluate(scope)?),
                None => None,
            },
            key: attempt.idempotency_key(),
        })
    }

    async fn send(&self, attempt: &AttemptContext) -> Result<String, TaskFailure> {
        let message = self.message(attempt)?;
        let connection = self.connection.as_str();
        let notifier = attempt.connections.notifier(connection).ok_or_else(|| {
            TaskFailure::permanent(format!("connection `{connection}` carries no messages"))
        })?;
        let log = attempt.log.clone();
        let around = Sending {
            log: std::sync::Arc::new(move |line| log.info(line)),
            cancel: attempt.cancel.clone(),
            clock: attempt.clock.clone(),
            masker: attempt.log.masker().clone(),
        };
        Ok(notifier.notify(&message, &around).await?)
    }
}

#[async_trait]
impl Task for NotifyTask {
    async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        let output = |taken: bool, summary: String| TaskOutput {
            outputs: std::iter::once(("taken".to_owned(), Json::from(taken))).collect(),
            metrics: Metrics {
                summary: Some(summary),
                ..Metrics::default()
            },
            ..TaskOutput::default()
        };
        match self.send(attempt).await {
            Ok(place) => {
                attempt.log.info(format!("told {place}"));
                Ok(output(true, "told".to_owned()))
            }
            Err(failure) if self.required || attempt.cancel.is_cancelled() => Err(failure),
            Err(failure) => {
                let reason = &failure.cause.message;
                attempt
                    .log
                    .warn(format!("the message wasn't taken: {reason}"));
                Ok(output(false, "not told".to_owned()))
            }
        }
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce {
            reason: "a message is sent again when its answer is lost".to_owned(),
        }
    }

    fn connections(&self) -> Vec<&str> {
        vec![self.connection.as_str()]
    }
}

impl From<NotifyError> for TaskFailure {
    fn from(error: NotifyError) -> Self {
        let kind = if error.retryable {
            FailureKind::Retryable
        } else {
            FailureKind::Permanent
        };
        Self {
            retry_after: error.retry_after,
            ..Self::new(kind, error.message)
        }
    }
}
