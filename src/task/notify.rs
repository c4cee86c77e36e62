//! Tells people something.

use async_trait::async_trait;
use serde_json::Value as Json;

use super::message::{FieldText, MessageParts, MessageTemplate};
use super::{
    AttemptContext, Guarantee, Metrics, Surroundings, Task, TaskFailure, TaskKind, TaskOutput,
    TaskResult,
};
use crate::connection::{NotifyError, Sending};
use crate::document::{Diagnostic, FromNode as _, Map, Node, OneOrMany, Spanned};
use crate::model::FailureKind;

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

/// A checked message.
#[derive(Debug)]
struct NotifyTask {
    message: MessageTemplate,
    required: bool,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    let notify = Notify::from_node(node, surroundings.report)?;
    let says = notify.text.is_some() || notify.json.is_some();
    if !says {
        surroundings.report.push(
            Diagnostic::error("missing-key", "a `notify` needs `text`", notify.span)
                .label("add `text:`"),
        );
    }
    let parts = MessageParts {
        connection: &notify.connection,
        text: notify.text.as_ref(),
        title: notify.title.as_ref(),
        fields: &notify.fields,
        to: &notify.to.0,
        channel: notify.channel.as_ref(),
        json: notify.json.as_ref(),
    };
    let message = MessageTemplate::read(&parts, surroundings)?;
    says.then(|| {
        Box::new(NotifyTask {
            message,
            required: notify.required,
        }) as Box<dyn Task>
    })
}

impl NotifyTask {
    async fn send(&self, attempt: &AttemptContext) -> Result<String, TaskFailure> {
        let key = attempt.idempotency_key();
        let message = self.message.render(&attempt.scope, key)?;
        let connection = self.message.connection.as_str();
        let notifier = attempt.connections.notifier(connection).ok_or_else(|| {
            TaskFailure::permanent(format!("connection `{connection}` carries no messages"))
        })?;
        let log = attempt.log.clone();
        let around = Sending {
            log: std::sync::Arc::new(move |line| log.info(line)),
            cancel: attempt.cancel.clone(),
            clock: attempt.clock.clone(),
            sent: Some(attempt.log.requests()),
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
        vec![self.message.connection.as_str()]
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
