//! What records are taken from. One file a source, one row each in [`SOURCES`].

mod bucket;
mod dataset;
mod file;
mod http;
mod kafka;
mod query;
mod values;

use async_trait::async_trait;
use schemars::Schema;

use super::columns::Mapping;
use super::end::{self, End};
use super::files::Files;
use super::flow::Consumer;
use crate::data::Rejects;
use crate::document::{Diagnostic, FromNode, Node, Report};
use crate::task::messages::Feed;
use crate::task::{AttemptContext, Guarantee, Surroundings, TaskFailure, Touch};

/// A row of [`SOURCES`].
pub(super) type SourceKind = End<dyn Source>;

/// Everything that records may come from.
pub(super) const SOURCES: &[&SourceKind] = &[
    &file::KIND,
    &dataset::KIND,
    &values::KIND,
    &query::KIND,
    &bucket::KIND,
    &kafka::KIND,
    &http::KIND,
];

/// A checked source, ready to be read any number of times.
#[async_trait]
pub(super) trait Source: Send + Sync + std::fmt::Debug {
    /// The name of the connection that is read.
    fn connection(&self) -> Option<&str> {
        None
    }

    /// Opens the source and hands its records over, as a stream. `mapping` tells which parts of
    /// them are wanted; it's the consumer who applies it. Records that can't be read go to
    /// `rejects`; without it the first of them is the failure. Returns the bytes that were read.
    async fn read_into(
        &self,
        attempt: &AttemptContext,
        mapping: &Mapping,
        rejects: Option<&Rejects>,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure>;

    /// How often reading has its effects: weaker only for a source that changes what it reads.
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    /// The source as a topic, which a database reads with its offsets.
    fn as_feed(&self) -> Option<&Feed> {
        None
    }

    /// What reading does to a database, or the topics that it reads and writes.
    fn touches(&self) -> Vec<Touch<'_>> {
        Vec::new()
    }

    /// The source as files, which a database may take as they are.
    fn as_files(&self) -> Option<&Files> {
        None
    }
}

/// A `from` as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::task) struct From(Node);

impl FromNode for From {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        end::keep(node, report).map(Self)
    }

    fn schema() -> Schema {
        end::schema(SOURCES)
    }
}

impl From {
    /// A `from` that stands elsewhere than in a copy.
    pub(in crate::task) fn of(node: &Node) -> Self {
        Self(node.clone())
    }

    /// Checks it with the row it belongs to.
    pub(super) fn read(&self, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Source>> {
        if let Some(task) = self.0.as_text()
            && surroundings.graph.is_task(task)
        {
            surroundings.report.push(
                Diagnostic::error(
                    "task-as-a-file",
                    format!("`{task}` is a task, and a text is the path of a file"),
                    self.0.span,
                )
                .label(format!("did you mean `{{ dataset: {task} }}`?")),
            );
            return None;
        }
        end::read("from", SOURCES, &self.0, surroundings)
    }
}
