//! Asks an API; what it answers becomes the task's dataset.

use async_trait::async_trait;
use schemars::Schema;

use super::http_request::{HttpFetch, Opened, Request};
use super::{
    AttemptContext, Guarantee, Metrics, Surroundings, Task, TaskFailure, TaskKind, TaskOutput,
    TaskResult,
};
use crate::data::{DatasetInfo, RecordSource as _};
use crate::document::{FromNode as _, Node};

pub(super) const KIND: TaskKind = TaskKind {
    name: "http",
    doc: "Asks an HTTP API, page by page or at a fixed rate, and keeps the records of its answers \
as the task's dataset, as a stream in constant memory. Numbers keep their digits. `outputs` have \
`status`, `rows`, `bytes`, `requests`, the headers named by `keep_headers`, with `repeat` `ticks`, \
`late_ticks`, `missed_ticks` and `skipped`, and of a single small JSON answer without `records` its \
`body`. A GET that is tried again has no effect of its own; a POST has, unless it is `idempotent`.",
    example: include_str!("http/example.yaml"),
    schema,
    parse,
};

fn schema() -> Schema {
    Request::schema()
}

/// A checked task.
#[derive(Debug)]
struct Http(HttpFetch);

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    let request = Request::from_node(node, surroundings.report)?;
    Some(Box::new(Http(HttpFetch::read(&request, surroundings)?)))
}

#[async_trait]
impl Task for Http {
    async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        let asking = async {
            let opened = self.0.open(attempt, None, true, None).await?;
            keep(opened, attempt).await
        };
        tokio::select! {
            kept = asking => kept,
            () = attempt.cancel.cancelled() => Err(TaskFailure::retryable("cancelled")),
        }
    }

    fn guarantee(&self) -> Guarantee {
        self.0.guarantee()
    }

    fn connections(&self) -> Vec<&str> {
        self.0.connection().into_iter().collect()
    }
}

/// Keeps the records as the dataset.
async fn keep(opened: Opened<'_>, attempt: &AttemptContext) -> TaskResult {
    let Opened {
        mut records,
        totals,
    } = opened;
    let mut writer = attempt.dataset(records.columns().clone()).await?;
    while let Some(batch) = records.next().await? {
        attempt
            .progress
            .add(batch.rows() as u64, batch.bytes() as u64);
        writer.write(batch).await?;
    }
    let dataset: DatasetInfo = writer.finish().await?;
    Ok(TaskOutput {
        outputs: totals.outputs(),
        metrics: Metrics {
            rows: Some(dataset.rows),
            bytes: Some(dataset.bytes),
            ..Metrics::default()
        },
        // An answer without a body leaves nothing.
        dataset: (!dataset.columns.is_empty()).then_some(dataset),
        ..TaskOutput::default()
    })
}
