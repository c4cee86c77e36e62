//! The task's own dataset as a sink: that of a copy without `to`.

use async_trait::async_trait;

use super::Sink;
use crate::data::{DatasetInfo, RecordSource, Rejects, Written};
use crate::task::transfer::flow::{Consumer, Flow, finish};
use crate::task::{AttemptContext, TaskFailure, TaskOutput, TaskResult};

/// The task's own dataset.
#[derive(Debug)]
pub(super) struct OwnDataset;

#[async_trait]
impl Sink for OwnDataset {
    async fn run(&self, flow: &Flow, attempt: &AttemptContext) -> TaskResult {
        let rejects = flow.rejects(attempt)?;
        let mut write = Write {
            attempt,
            rejects: rejects.as_ref(),
            dataset: None,
        };
        flow.pass_until_cancelled(attempt, rejects.as_ref(), &mut write)
            .await?;
        let dataset = write.dataset;
        let (rows, bytes) = dataset
            .as_ref()
            .map_or((0, 0), |dataset| (dataset.rows, dataset.bytes));
        let written = Written { rows, bytes };
        Ok(TaskOutput {
            dataset,
            ..flow.output(attempt, &written, rejects.as_ref(), Vec::new())
        })
    }
}

struct Write<'a> {
    attempt: &'a AttemptContext,
    rejects: Option<&'a Rejects>,
    dataset: Option<DatasetInfo>,
}

#[async_trait]
impl Consumer for Write<'_> {
    async fn consume(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure> {
        let mut writer = self.attempt.dataset(source.columns().clone()).await?;
        while let Some(batch) = source.next().await? {
            writer.write(batch).await?;
        }
        finish(self.rejects)?;
        self.dataset = Some(writer.finish().await?);
        Ok(())
    }
}
