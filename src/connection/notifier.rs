//! What a connection that carries messages to people can do, whatever carries them.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{HttpError, Sending};

/// Carries messages to people.
#[async_trait]
pub trait Notifier: Send + Sync + std::fmt::Debug {
    /// Hands a message over. Says in a few words where to: `alice@example.com`.
    async fn notify(&self, message: &Message, around: &Sending) -> Result<String, NotifyError>;
}

/// A message. What a kind of connection has no place for stands in its text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Message {
    /// In a few words what it is about: the subject of an e-mail, the first line of a chat message.
    pub title: Option<String>,
    pub text: String,
    /// Names and values below the text.
    pub fields: Vec<(String, String)>,
    /// Whom it is for, where the connection doesn't say it or others are meant: addresses.
    pub to: Vec<String>,
    /// The channel of a chat, where the connection's own isn't meant.
    pub channel: Option<String>,
    /// The whole body of a request, in place of all of the above.
    pub json: Option<Json>,
    /// The same at every try: `run/task/generation`.
    pub key: String,
}

impl Message {
    /// The text with its fields, a line each.
    #[must_use]
    pub fn whole_text(&self, bullet: &str) -> String {
        let mut text = self.text.clone();
        for (name, value) in &self.fields {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!("{bullet}{name}: {value}"));
        }
        text
    }
}

/// A message that wasn't taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotifyError {
    pub message: String,
    /// Whether another try may have more luck.
    pub retryable: bool,
    /// How long the server asked to be left alone.
    pub retry_after: Option<Duration>,
}

impl NotifyError {
    /// Trying again can't help.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            retryable: false,
            retry_after: None,
        }
    }

    /// Trying again may help.
    pub fn transient(message: impl Into<String>) -> Self {
        Self {
            retryable: true,
            ..Self::permanent(message)
        }
    }
}

impl From<HttpError> for NotifyError {
    fn from(error: HttpError) -> Self {
        Self {
            message: error.message,
            retryable: error.retryable,
            retry_after: error.retry_after,
        }
    }
}
