//! Messages as the task's dataset.

use serde_json::Value as Json;

use crate::data::RecordSource as _;
use crate::data::ndjson::Wanted;
use crate::task::messages::{Feed, Messages};
use crate::task::{AttemptContext, Metrics, TaskFailure, TaskOutput, TaskResult};

/// Reads messages up to an end.
#[derive(Debug)]
pub(super) struct Consume {
    pub(super) feed: Feed,
}

impl Consume {
    pub(super) async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        tokio::select! {
            done = self.read(attempt) => done,
            () = attempt.cancel.cancelled() => Err(TaskFailure::retryable("cancelled")),
        }
    }

    async fn read(&self, attempt: &AttemptContext) -> TaskResult {
        let mut messages = Messages::open(&self.feed, attempt, Wanted::All, None).await?;
        let mut dataset = None;
        if !messages.columns().is_empty() {
            let mut writer = attempt.dataset(messages.columns().clone()).await?;
            while let Some(batch) = messages.next().await? {
                writer.write(batch).await?;
            }
            dataset = Some(writer.finish().await?);
        }
        let read = messages.read();
        messages.finish().await?;
        let rows = dataset.as_ref().map_or(0, |dataset| dataset.rows);
        let outputs = [
            ("messages", read.messages),
            ("rows", rows),
            ("rejected", read.rejected),
            ("bytes", read.bytes),
        ];
        Ok(TaskOutput {
            outputs: outputs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), Json::from(value)))
                .collect(),
            dataset,
            metrics: Metrics {
                rows: Some(rows),
                bytes: Some(read.bytes),
                ..Metrics::default()
            },
            ..TaskOutput::default()
        })
    }
}
