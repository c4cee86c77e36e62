//! Why a request failed.

use std::time::Duration;

use crate::data::DataError;

/// A request that gave no answer worth reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HttpError {
    /// Method, URL and what went wrong; the connection's secrets masked.
    pub message: String,
    /// Whether the same request may have more luck later: a transient cause, and a request that may
    /// be sent twice.
    pub retryable: bool,
    /// How long the server asked to be left alone (`Retry-After`), when it is longer than the
    /// connection waits itself.
    pub retry_after: Option<Duration>,
    /// The status of the answer, when there was one.
    pub status: Option<u16>,
}

impl HttpError {
    /// Trying again can't help.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            retryable: false,
            retry_after: None,
            status: None,
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

impl From<HttpError> for DataError {
    fn from(error: HttpError) -> Self {
        Self::Foreign {
            retryable: error.retryable,
            error: Box::new(error),
        }
    }
}
