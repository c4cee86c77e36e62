//! Records into a file or the task's dataset.

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use super::CopyTask;
use super::mapped::Mapped;
use super::sink::FileTarget;
use super::source::Consumer;
use crate::data::{Compression, DatasetInfo, FileSink, Format, RecordSource, Rejects, Written};
use crate::task::{AttemptContext, Metrics, TaskFailure, TaskOutput, TaskResult};

/// Writes the records of a copy into a file, or into the task's dataset.
pub(super) async fn run(
    task: &CopyTask,
    target: Option<&FileTarget>,
    attempt: &AttemptContext,
) -> TaskResult {
    let mut write = Write {
        task,
        target,
        attempt,
        rejects: task.rejects(attempt)?,
        written: Written { rows: 0, bytes: 0 },
        made: Vec::new(),
        dataset: None,
    };
    let rejects = write.rejects.clone();
    let reading = task
        .from
        .read_into(attempt, &task.mapping, rejects.as_ref(), &mut write);
    tokio::select! {
        read = reading => read?,
        () = attempt.cancel.cancelled() => return Err(TaskFailure::retryable("cancelled")),
    };
    let rejected = rejects.as_ref().map_or(0, Rejects::count);
    task.warn_of_rejects(attempt, rejects.as_ref());
    let outputs: Map<String, Json> = [
        ("rows", write.written.rows),
        ("rejected", rejected),
        ("bytes", write.written.bytes),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Json::from(value)))
    .collect();
    Ok(TaskOutput {
        outputs,
        dataset: write.dataset,
        metrics: Metrics {
            rows: Some(write.written.rows),
            bytes: Some(write.written.bytes),
            made: write.made,
            summary: None,
        },
        ..TaskOutput::default()
    })
}

struct Write<'a> {
    task: &'a CopyTask,
    target: Option<&'a FileTarget>,
    attempt: &'a AttemptContext,
    rejects: Option<Rejects>,
    written: Written,
    made: Vec<String>,
    dataset: Option<DatasetInfo>,
}

#[async_trait]
impl Consumer for Write<'_> {
    async fn consume(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure> {
        if self.task.mapping.is_nothing() {
            return self.write(source).await;
        }
        let scope = self.attempt.scope.clone();
        let rejects = self.rejects.clone();
        let mut mapped = Mapped::open(source, &self.task.mapping, scope, rejects).await?;
        self.write(&mut mapped).await
    }
}

impl Write<'_> {
    async fn write(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure> {
        let Some(target) = self.target else {
            let mut writer = self.attempt.dataset(source.columns().clone()).await?;
            while let Some(batch) = source.next().await? {
                writer.write(batch).await?;
            }
            self.finish_rejects()?;
            let info = writer.finish().await?;
            self.written = Written {
                rows: info.rows,
                bytes: info.bytes,
            };
            self.dataset = Some(info);
            return Ok(());
        };
        let shown = target.path.render(&self.attempt.scope)?;
        let path = self.attempt.places.root.join(&shown);
        let format = target
            .format
            .or_else(|| Format::of(&path))
            .ok_or_else(|| {
                TaskFailure::permanent(format!(
                    "the extension of `{shown}` doesn't say its format: add `format: csv` or `format: ndjson`"
                ))
            })?;
        let compression = target.compression.unwrap_or_else(|| Compression::of(&path));
        let columns = source.columns().clone();
        let mut sink = FileSink::create(path, format, compression, columns).await?;
        while let Some(batch) = source.next().await? {
            sink.write(batch).await?;
        }
        self.finish_rejects()?;
        self.written = sink.finish().await?;
        let Written { rows, bytes } = self.written;
        self.attempt
            .log
            .info(format!("{rows} records into `{shown}` ({bytes} bytes)"));
        self.made.push(shown);
        Ok(())
    }

    /// The file of rejects is there when the records are.
    fn finish_rejects(&self) -> Result<(), TaskFailure> {
        match &self.rejects {
            Some(rejects) => Ok(rejects.finish()?),
            None => Ok(()),
        }
    }
}
