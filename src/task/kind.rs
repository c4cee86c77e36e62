//! What a kind of task is, and what a task does.

use std::time::Duration;

use async_trait::async_trait;
use schemars::Schema;
use serde::{Deserialize, Serialize};

use super::{AttemptContext, Child, Surroundings, Touch};
use crate::connection::{DatabaseError, HttpError};
use crate::data::{DataError, DatasetInfo};
use crate::document::Node;
use crate::model::{FailureCause, FailureKind};
use crate::template::TemplateError;

/// A row of [`KINDS`](super::KINDS).
pub struct TaskKind {
    /// The key that names it in a task.
    pub name: &'static str,
    /// One or a few sentences.
    pub doc: &'static str,
    /// A whole pipeline file that uses it, as YAML; a test parses it, and runs it where it can.
    pub example: &'static str,
    /// The shape of the value behind the key.
    pub schema: fn() -> Schema,
    /// Reads the value behind the key, checks all that can be known before a run, and reports
    /// every mistake.
    pub parse: fn(&Node, &mut Surroundings<'_>) -> Option<Box<dyn Task>>,
}

/// How often an effect happens when attempts are killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guarantee {
    /// Once, whatever is killed when; or again with the same result.
    ExactlyOnce,
    /// Once or, after a crash, more often; with the reason.
    AtLeastOnce { reason: String },
}

/// A checked task, ready to run any number of times.
#[async_trait]
pub trait Task: Send + Sync + std::fmt::Debug {
    /// Carries out one attempt. It watches [`AttemptContext::cancel`] and ends soon after it is
    /// cancelled, leaving nothing half done; dropping the future is the last resort.
    async fn run(&self, attempt: &AttemptContext) -> TaskResult;

    /// How often its effects happen.
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    /// Names of connections it uses.
    fn connections(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The run of another DAG that it begins.
    fn child(&self) -> Option<&Child> {
        None
    }

    /// What it does to databases and topics, in its order, as far as that can be told before it runs.
    fn touches(&self) -> Vec<Touch<'_>> {
        Vec::new()
    }
}

/// What an attempt gives.
pub type TaskResult = Result<TaskOutput, TaskFailure>;

/// What a successful attempt leaves.
#[derive(Debug, Clone, Default)]
pub struct TaskOutput {
    /// Small results for templates: `tasks.<id>.outputs`.
    pub outputs: serde_json::Map<String, serde_json::Value>,
    pub dataset: Option<DatasetInfo>,
    pub metrics: Metrics,
    /// It found that there was nothing to do: its task run counts as skipped, not as succeeded.
    pub skipped: bool,
}

/// What an attempt did, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What it made and where, such as `bucket/batch_output/query1.csv`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<String>,
    /// A few words instead of numbers, such as `3 rules hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFailure {
    pub cause: FailureCause,
    /// How long the other side asked to be left alone.
    pub retry_after: Option<Duration>,
    /// The records that explain it, kept with the run: a check's offending rows.
    pub dataset: Option<Box<DatasetInfo>>,
    /// A database has refused the values of a record; it may take others.
    pub of_values: bool,
}

impl TaskFailure {
    /// Trying again can't help.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Permanent, message)
    }

    /// Trying again may help.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Retryable, message)
    }

    /// A failure of a kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            cause: FailureCause::new(kind, message.into()),
            retry_after: None,
            dataset: None,
            of_values: false,
        }
    }
}

impl From<TemplateError> for TaskFailure {
    fn from(error: TemplateError) -> Self {
        Self::permanent(error.message)
    }
}

impl From<HttpError> for TaskFailure {
    fn from(error: HttpError) -> Self {
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

impl From<DataError> for TaskFailure {
    fn from(error: DataError) -> Self {
        // A body that was read as records: its server may have said when to come back.
        if let DataError::Foreign { error: foreign, .. } = &error
            && let Some(http) = foreign.downcast_ref::<HttpError>()
        {
            return http.clone().into();
        }
        let kind = match &error {
            DataError::Source {
                retryable: true, ..
            }
            | DataError::Foreign {
                retryable: true, ..
            }
            | DataError::File { .. } => FailureKind::Retryable,
            DataError::Source { .. } | DataError::Foreign { .. } | DataError::Record { .. } => {
                FailureKind::Permanent
            }
        };
        Self::new(kind, error.to_string())
    }
}

impl From<DatabaseError> for TaskFailure {
    fn from(error: DatabaseError) -> Self {
        if let DatabaseError::Data(error) = error {
            return error.into();
        }
        let kind = if error.is_retryable() {
            FailureKind::Retryable
        } else {
            FailureKind::Permanent
        };
        Self::new(kind, error.to_string())
    }
}
