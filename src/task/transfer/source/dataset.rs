//! The dataset of an earlier task as a source.

use async_trait::async_trait;

use super::{Source, SourceKind};
use crate::data::{DatasetReader, Rejects};
use crate::document::{FromNode, Node, Spanned};
use crate::model::TaskId;
use crate::task::transfer::columns::Mapping;
use crate::task::transfer::end::Selection;
use crate::task::transfer::flow::{Consumer, Measured};
use crate::task::{AttemptContext, Surroundings, TaskFailure};

pub(super) const KIND: SourceKind = SourceKind {
    name: "dataset",
    doc: "What an earlier task has left: the rows of a query, the records of a copy, the results \
of a script.",
    selection: Selection {
        connections: &[],
        keys: &[],
        alone: &["dataset"],
    },
    schema: <FromDataset as FromNode>::schema,
    parse,
};

crate::record! {
    /// A dataset.
    struct FromDataset as "a `from` with a dataset" {
        /// A task that comes before this one: the records it has left, all items of its `foreach` as one stream.
        dataset: Spanned<String>,
    }
}

/// The dataset of a task.
#[derive(Debug)]
struct Dataset(TaskId);

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Source>> {
    let FromDataset { dataset, .. } = FromDataset::from_node(node, surroundings.report)?;
    Some(Box::new(Dataset(surroundings.dataset(&dataset)?)))
}

#[async_trait]
impl Source for Dataset {
    async fn read_into(
        &self,
        attempt: &AttemptContext,
        _: &Mapping,
        _: Option<&Rejects>,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure> {
        let Self(task) = self;
        let datasets = attempt.datasets.get(task).map_or(&[][..], Vec::as_slice);
        let bytes = datasets.iter().map(|dataset| dataset.bytes).sum();
        attempt.progress.expect_bytes(bytes);
        attempt.log.info(match datasets {
            [] => format!("`{task}` has left no dataset"),
            _ => format!("reading the dataset of `{task}` ({bytes} bytes)"),
        });
        let source = DatasetReader::open(&attempt.places.state, datasets).await?;
        let mut source = Measured::new(source, attempt, None);
        consumer.consume(&mut source).await?;
        Ok(bytes)
    }
}
