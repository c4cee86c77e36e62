//! The stream of a copy, whatever its ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use super::columns::Mapping;
use super::mapped::Mapped;
use super::plan::OnError;
use super::source::Source;
use crate::data::{Batch, Columns, DataError, Place, RecordSource, Rejects, Written};
use crate::task::{AttemptContext, Metrics, Progress, TaskFailure, TaskOutput};
use crate::template::Template;

/// Where the records of a copy come from, and what becomes of them on their way.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) from: Box<dyn Source>,
    pub(super) mapping: Mapping,
    pub(super) on_error: OnError,
    pub(super) rejects: Option<Template>,
}

/// Takes the records of a source.
#[async_trait]
pub(in crate::task) trait Consumer: Send {
    async fn consume(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure>;
}

impl Flow {
    /// Opens the source and hands its records to `consumer`, mapped and filtered. It doesn't watch
    /// whether the attempt is cancelled. Returns the bytes that were read.
    pub(super) async fn pass(
        &self,
        attempt: &AttemptContext,
        rejects: Option<&Rejects>,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure> {
        let mut mapper = Mapper {
            flow: self,
            attempt,
            rejects,
            consumer,
        };
        self.from
            .read_into(attempt, &self.mapping, rejects, &mut mapper)
            .await
    }

    /// As [`pass`](Self::pass), and ends when the attempt is cancelled: for a sink that leaves
    /// nothing half done when it is dropped.
    pub(super) async fn pass_until_cancelled(
        &self,
        attempt: &AttemptContext,
        rejects: Option<&Rejects>,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure> {
        tokio::select! {
            read = self.pass(attempt, rejects, consumer) => read,
            () = attempt.cancel.cancelled() => Err(TaskFailure::retryable("cancelled")),
        }
    }

    /// The taker of bad records, when they are skipped. Its file appears with
    /// [`Rejects::finish`], which comes before the records are there.
    pub(super) fn rejects(&self, attempt: &AttemptContext) -> Result<Option<Rejects>, TaskFailure> {
        if self.on_error == OnError::Fail {
            return Ok(None);
        }
        let path = match &self.rejects {
            Some(path) => Some(attempt.places.root.join(path.render(&attempt.scope)?)),
            None => None,
        };
        Ok(Some(Rejects::create(path)?))
    }

    /// Tells of bad records in the log.
    pub(super) fn warn_of_rejects(&self, attempt: &AttemptContext, rejects: Option<&Rejects>) {
        let Some(rejects) = rejects else { return };
        let Some(first) = rejects.first() else { return };
        let place = match &self.rejects {
            Some(path) => match path.render(&attempt.scope) {
                Ok(path) => format!(", see `{path}`"),
                Err(_) => String::new(),
            },
            None => String::new(),
        };
        attempt.log.warn(format!(
            "{} records were rejected{place}; the first: {first}",
            rejects.count()
        ));
    }

    /// What a copy outside of a database leaves: its outputs and metrics.
    pub(super) fn output(
        &self,
        attempt: &AttemptContext,
        written: &Written,
        rejects: Option<&Rejects>,
        made: Vec<String>,
    ) -> TaskOutput {
        self.warn_of_rejects(attempt, rejects);
        let outputs: Map<String, Json> = [
            ("rows", written.rows),
            ("rejected", rejects.map_or(0, Rejects::count)),
            ("bytes", written.bytes),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Json::from(value)))
        .collect();
        TaskOutput {
            outputs,
            metrics: Metrics {
                rows: Some(written.rows),
                bytes: Some(written.bytes),
                made,
                summary: None,
            },
            ..TaskOutput::default()
        }
    }
}

/// The file of rejects is there when the records are.
pub(super) fn finish(rejects: Option<&Rejects>) -> Result<(), TaskFailure> {
    match rejects {
        Some(rejects) => Ok(rejects.finish()?),
        None => Ok(()),
    }
}

/// Maps records on their way to a consumer.
struct Mapper<'a> {
    flow: &'a Flow,
    attempt: &'a AttemptContext,
    rejects: Option<&'a Rejects>,
    consumer: &'a mut dyn Consumer,
}

#[async_trait]
impl Consumer for Mapper<'_> {
    async fn consume(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure> {
        let mapping = &self.flow.mapping;
        if mapping.is_nothing() {
            return self.consumer.consume(source).await;
        }
        let (scope, rejects) = (self.attempt.scope.clone(), self.rejects.cloned());
        let mut mapped = Mapped::open(source, mapping, scope, rejects).await?;
        self.consumer.consume(&mut mapped).await
    }
}

/// A source that tells how far it is.
pub(super) struct Measured<S> {
    source: S,
    progress: Arc<Progress>,
    /// Bytes read so far, and how many of them were told. Without it the bytes of the cells count.
    read: Option<Arc<AtomicU64>>,
    told: u64,
}

impl<S: RecordSource> Measured<S> {
    pub(super) fn new(source: S, attempt: &AttemptContext, read: Option<Arc<AtomicU64>>) -> Self {
        Self {
            source,
            progress: attempt.progress.clone(),
            read,
            told: 0,
        }
    }
}

#[async_trait]
impl<S: RecordSource> RecordSource for Measured<S> {
    fn columns(&self) -> &Columns {
        self.source.columns()
    }

    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        let batch = self.source.next().await?;
        if let Some(batch) = &batch {
            let bytes = match &self.read {
                Some(read) => {
                    let read = read.load(Ordering::Relaxed);
                    let new = read - self.told;
                    self.told = read;
                    new
                }
                None => batch.bytes() as u64,
            };
            self.progress.add(batch.rows() as u64, bytes);
        }
        Ok(batch)
    }

    fn place(&self, row: u64) -> Option<Place> {
        self.source.place(row)
    }
}
