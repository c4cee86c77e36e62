//! The sources of copies, for kinds of tasks that read records and do something else with them.

use schemars::Schema;
use serde_json::Value as Json;

use super::columns::Mapping;
use super::flow::Consumer;
use super::source::{From, Source};
use crate::document::{FromNode, Node, Report};
use crate::task::{AttemptContext, Surroundings, TaskFailure};

/// A `from` as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::task) struct RecordsFrom(From);

impl FromNode for RecordsFrom {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        From::from_node(node, report).map(Self)
    }

    fn schema() -> Schema {
        let mut schema = From::schema();
        // The reference shows the sources once, with `copy`.
        for shape in schema
            .get_mut("anyOf")
            .and_then(Json::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Json::Object(shape) = shape {
                shape.remove("title");
            }
        }
        schema
    }
}

impl RecordsFrom {
    /// Checks it.
    pub(in crate::task) fn read(&self, surroundings: &mut Surroundings<'_>) -> Option<Records> {
        Some(Records {
            source: self.0.read(surroundings)?,
            mapping: Mapping::read(None, None, surroundings)?,
        })
    }
}

/// A checked source.
#[derive(Debug)]
pub(in crate::task) struct Records {
    source: Box<dyn Source>,
    mapping: Mapping,
}

impl Records {
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
