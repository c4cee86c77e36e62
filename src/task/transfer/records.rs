//! The sources of copies, for kinds of tasks that read records and do something else with them.

use super::columns::Mapping;
use super::flow::Consumer;
use super::source::{From, Source};
use crate::task::{AttemptContext, Surroundings, TaskFailure};

/// A checked source.
#[derive(Debug)]
pub(in crate::task) struct Records {
    source: Box<dyn Source>,
    mapping: Mapping,
}

impl Records {
    /// Checks a `from`.
    pub(in crate::task) fn read(from: &From, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        Some(Self {
            source: from.read(surroundings)?,
            mapping: Mapping::default(),
        })
    }

    /// The name of the connection that is read.
    pub(in crate::task) fn connection(&self) -> Option<&str> {
        self.source.connection()
    }

    /// Hands the records over, as a stream, until its end or until the attempt is cancelled.
    /// Returns the bytes that were read.
    pub(in crate::task) async fn pass(
        &self,
        attempt: &AttemptContext,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure> {
        tokio::select! {
            read = self.source.read_into(attempt, &self.mapping, None, consumer) => read,
            () = attempt.cancel.cancelled() => Err(TaskFailure::retryable("cancelled")),
        }
    }
}
