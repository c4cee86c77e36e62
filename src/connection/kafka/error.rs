//! What can go wrong with a cluster.

use rdkafka::error::{KafkaError as Library, RDKafkaErrorCode as Code};
use thiserror::Error;

use crate::connection::unreachable::advised;
use crate::embedded::EmbeddedError;

/// Why something of a Kafka cluster failed.
#[derive(Debug, Error)]
pub enum KafkaError {
    /// The project's own server can't be had.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),

    /// No broker answers.
    #[error("no broker answers at {brokers}: {reason}")]
    Unreachable { brokers: String, reason: String },

    /// The broker doesn't know us, or doesn't let us in.
    #[error("the broker refuses the login: {reason}; see `sasl:` and `tls:` of the connection")]
    Login { reason: String },

    /// A setting that the library refuses.
    #[error("the connection's settings are refused: {reason}")]
    Settings { reason: String },

    /// There is no such topic.
    #[error("topic `{topic}` doesn't exist{hint}")]
    NoTopic {
        topic: String,
        /// The nearest name, or nothing.
        hint: String,
    },

    /// The broker, or the library on its behalf, says no.
    #[error("can't {action}: {reason}")]
    Refused {
        action: String,
        reason: String,
        /// The same may go well a moment later.
        transient: bool,
    },

    /// The transaction can't be committed: abort it, then begin another.
    #[error("can't {action}, and the transaction must be aborted: {reason}")]
    MustAbort { action: String, reason: String },

    /// The producer is of no use any more; make another. With a transactional id, somebody else
    /// may have taken it over.
    #[error("can't {action}, and the producer is lost: {reason}")]
    ProducerLost { action: String, reason: String },

    /// The handler of assignments didn't say where to begin.
    #[error("{0}")]
    Assignment(String),
}

impl KafkaError {
    /// Whether the same may go well a moment later, with the same or with a new client.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Embedded(error) => error.is_transient(),
            Self::Unreachable { .. } | Self::MustAbort { .. } | Self::ProducerLost { .. } => true,
            Self::Refused { transient, .. } => *transient,
            Self::Login { .. }
            | Self::Settings { .. }
            | Self::NoTopic { .. }
            | Self::Assignment(_) => false,
        }
    }

    /// Whether the client that gave this error is of no use any more.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::ProducerLost { .. })
    }

    pub(super) fn refused(action: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused {
            action: action.into(),
            reason: reason.into(),
            transient: false,
        }
    }

    /// An error of the library. `brokers` is where the cluster is, `reason` what it said last, which
    /// tells more than "transport failure".
    pub(super) fn of_library(
        action: &str,
        error: &Library,
        brokers: &str,
        reason: Option<String>,
    ) -> Self {
        if let Library::Transaction(error) = error {
            let (action, reason) = (action.to_owned(), error.string());
            return if error.is_fatal() {
                Self::ProducerLost { action, reason }
            } else if error.txn_requires_abort() {
                Self::MustAbort { action, reason }
            } else {
                Self::Refused {
                    action,
                    reason,
                    transient: error.is_retriable(),
                }
            };
        }
        let text = match error {
            Library::ClientCreation(text) | Library::ClientConfig(_, text, _, _) => {
                return Self::Settings {
                    reason: text.clone(),
                };
            }
            Library::AdminOpCreation(text)
            | Library::PauseResume(text)
            | Library::Seek(text)
            | Library::Subscription(text) => text.clone(),
            _ => String::new(),
        };
        let code = match error {
            Library::AdminOp(code) => Some(*code),
            error => error.rdkafka_error_code(),
        };
        let Some(code) = code else {
            let reason = if text.is_empty() {
                error.to_string()
            } else {
                text
            };
            return Self::refused(action, reason);
        };
        let reason = reason.unwrap_or_else(|| describe(code));
        match code {
            Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
            | Code::SSL => Self::Login { reason },
            Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve => {
                Self::Unreachable {
                    brokers: brokers.to_owned(),
                    reason: advised(reason),
                }
            }
            Code::Fatal
            | Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::OutOfOrderSequenceNumber => Self::ProducerLost {
                action: action.to_owned(),
                reason,
            },
            code => Self::Refused {
                action: action.to_owned(),
                reason,
                transient: is_passing(code),
            },
        }
    }
}

/// The code as people say it: `unknown topic or partition`.
pub(super) fn describe(code: Code) -> String {
    let text = code.to_string();
    // "Broker: Unknown topic or partition", "UnknownTopic (Broker: …)".
    let inner = text
        .split_once('(')
        .map_or(text.as_str(), |(_, inner)| inner.trim_end_matches(')'));
    let inner = ["Broker: ", "Local: "]
        .iter()
        .fold(inner, |text, prefix| text.trim_start_matches(prefix));
    let mut letters = inner.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => text,
    }
}

fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::MessageTimedOut
            | Code::TimedOutQueue
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::NotCoordinator
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::NotController
            | Code::BrokerNotAvailable
            | Code::ReplicaNotAvailable
            | Code::NetworkException
            | Code::RebalanceInProgress
            | Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::PollExceeded
            | Code::WaitingForCoordinator
            | Code::InProgress
            | Code::ConcurrentTransactions
            | Code::QueueFull
            | Code::Retry
            | Code::PurgeQueue
            | Code::PurgeInflight
            | Code::ThrottlingQuotaExceeded
            | Code::UnstableOffsetCommit
            | Code::ReassignmentInProgress
    )
}
