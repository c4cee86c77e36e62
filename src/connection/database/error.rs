//! What a database refuses or can't do.

use crate::data::DataError;

/// Where in a statement the server found the mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorPlace {
    /// Byte offset in the statement's text.
    pub offset: usize,
}

/// What a database refuses or can't do.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// No connection, or it was lost: worth another attempt.
    #[error("{message}")]
    Connection { message: String },
    /// The connection was lost while COMMIT was under way: ask [`Session::settled`](super::Session::settled).
    #[error(
        "the connection was lost during COMMIT; whether it took effect is not known yet: {message}"
    )]
    UnknownCommit { message: String },
    /// The server refused a statement.
    #[error("{message}")]
    Statement {
        message: String,
        /// SQLSTATE, or SQLite's extended code.
        code: Option<Box<str>>,
        detail: Option<Box<str>>,
        hint: Option<Box<str>>,
        /// PostgreSQL's CONTEXT, such as `COPY deposit, line 5`.
        context: Option<Box<str>>,
        place: Option<ErrorPlace>,
        /// Worth another attempt: a deadlock, a serialization failure, too many connections.
        retryable: bool,
    },
    /// The statement was ended by [`Stopper::stop`](super::Stopper::stop).
    #[error("the statement was cancelled")]
    Stopped,
    /// The records to load could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl DatabaseError {
    /// Whether another attempt may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connection { .. }
            | Self::UnknownCommit { .. }
            | Self::Stopped
            | Self::Data(DataError::File { .. }) => true,
            Self::Statement { retryable, .. }
            | Self::Data(
                DataError::Source { retryable, .. } | DataError::Foreign { retryable, .. },
            ) => *retryable,
            Self::Data(DataError::Record { .. }) => false,
        }
    }

    /// Whether it is about values that were written, and not about the statement: a data exception
    /// or an integrity violation (SQLSTATE classes 22 and 23).
    #[must_use]
    pub fn is_of_values(&self) -> bool {
        let Self::Statement {
            code: Some(code), ..
        } = self
        else {
            return false;
        };
        code.len() == 5 && (code.starts_with("22") || code.starts_with("23"))
    }

    /// What the server says beside its message, with a word for each: detail, hint, context, code.
    #[must_use]
    pub fn remarks(&self) -> Vec<(&'static str, &str)> {
        let Self::Statement {
            code,
            detail,
            hint,
            context,
            ..
        } = self
        else {
            return Vec::new();
        };
        [
            ("detail", detail),
            ("hint", hint),
            ("context", context),
            ("code", code),
        ]
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.as_deref()?)))
        .collect()
    }

    /// The error in the words of a stream of records.
    #[must_use]
    pub fn into_data(self) -> DataError {
        match self {
            Self::Data(error) => error,
            error => DataError::Foreign {
                retryable: error.is_retryable(),
                error: Box::new(error),
            },
        }
    }

    /// A refusal of ours, that no server has seen.
    #[must_use]
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Statement {
            message: message.into(),
            code: None,
            detail: None,
            hint: None,
            context: None,
            place: None,
            retryable: false,
        }
    }
}
