//! What a copy puts its records into. One file a sink, one row each in [`SINKS`].

mod bucket;
mod dataset;
mod file;
mod http;
mod kafka;
mod script;
mod table;

use async_trait::async_trait;
use schemars::Schema;

use super::end::{self, End};
use super::flow::Flow;
use crate::connection::{Loaded, Session};
use crate::data::{RecordSource, Rejects};
use crate::document::{FromNode, Node, Report, Spanned};
use crate::task::{AttemptContext, Guarantee, Surroundings, TaskFailure, TaskResult, Touch};

/// A row of [`SINKS`].
pub(super) type SinkKind = End<dyn Sink>;

/// Everything that records may go to, beside the task's own dataset.
pub(super) const SINKS: &[&SinkKind] = &[
    &file::KIND,
    &table::KIND,
    &script::KIND,
    &bucket::KIND,
    &kafka::KIND,
    &http::KIND,
];

/// A checked sink, ready to be written any number of times.
#[async_trait]
pub(super) trait Sink: Send + Sync + std::fmt::Debug {
    /// The name of the connection that is written.
    fn connection(&self) -> Option<&str> {
        None
    }

    /// The columns of the records that it reads by name: checked against the copy's `columns`.
    fn reads(&self) -> &[Spanned<String>] {
        &[]
    }

    /// Carries out one attempt of the copy: reads the records of `flow` and writes them.
    async fn run(&self, flow: &Flow, attempt: &AttemptContext) -> TaskResult;

    /// The sink as a part of a database's transaction, for a stream that keeps its offsets there.
    fn as_database(&self) -> Option<&dyn DatabaseSink> {
        None
    }

    /// What writing the records of `flow` does to a database.
    fn touch<'a>(&'a self, _flow: &'a Flow) -> Option<Touch<'a>> {
        None
    }

    /// How often a record is written when attempts are killed.
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }
}

/// A sink that is written within a transaction of somebody else.
#[async_trait]
pub(super) trait DatabaseSink: Send + Sync {
    /// The name of the connection.
    fn database(&self) -> &str;

    /// Whether records take the place of those that are there.
    fn replaces(&self) -> bool {
        false
    }

    /// What is written, for people: `prices in warehouse`.
    ///
    /// # Errors
    /// A template fails.
    fn target(&self, attempt: &AttemptContext) -> Result<String, TaskFailure>;

    /// Writes the records of `flow`, mapped, within the session's transaction. Bad ones go to `rejects`; without it the
    /// first of them is the failure.
    async fn write(
        &self,
        session: &mut dyn Session,
        records: &mut dyn RecordSource,
        rejects: Option<&Rejects>,
        flow: &Flow,
        attempt: &AttemptContext,
    ) -> Result<Loaded, TaskFailure>;
}

/// A `to` as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::task) struct To(Node);

impl FromNode for To {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        end::keep(node, report).map(Self)
    }

    fn schema() -> Schema {
        end::schema(SINKS)
    }
}

impl To {
    /// A `to` that stands elsewhere than in a copy.
    pub(in crate::task) fn of(node: &Node) -> Self {
        Self(node.clone())
    }

    /// Checks it with the row it belongs to.
    pub(super) fn read(&self, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Sink>> {
        end::read("to", SINKS, &self.0, surroundings)
    }
}

/// The shape of a topic that records are sent to.
pub(in crate::task) fn topic_schema() -> Schema {
    (kafka::KIND.schema)()
}

/// The sink of a copy without `to`: the task's own dataset.
pub(super) fn own_dataset() -> Box<dyn Sink> {
    Box::new(dataset::OwnDataset)
}
