//! Records into files that may be there already, one or many.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use super::definition::Files;
use super::thread::{Broken, Misfit, Order, Stored, Work};
use crate::connection::Bucket;
use crate::data::{DataError, FileMode, RecordSource, Reject, Rejects, Written};
use crate::task::transfer::flow::{Consumer, Flow, finish};
use crate::task::{AttemptContext, TaskFailure, TaskResult};

/// Batches on their way to the thread.
const IN_FLIGHT: usize = 4;

pub(super) async fn run(files: &Arc<Files>, flow: &Flow, attempt: &AttemptContext) -> TaskResult {
    let rejects = flow.rejects(attempt)?;
    let mut spread = Spread {
        files,
        store: files.store(attempt)?,
        attempt,
        rejects: rejects.as_ref(),
        stored: Stored::default(),
    };
    if files.every.is_some() {
        // What has come in is stored before the end: see below.
        flow.pass(attempt, rejects.as_ref(), &mut spread).await?;
    } else {
        flow.pass_until_cancelled(attempt, rejects.as_ref(), &mut spread)
            .await?;
    }
    let mut stored = spread.stored;
    stored.made.sort();
    tell(files, &stored, attempt);
    let written = Written {
        rows: stored.rows,
        bytes: stored.bytes,
    };
    let mut output = flow.output(attempt, &written, rejects.as_ref(), stored.made);
    let counts = [
        ("files", stored.files as u64),
        ("added", stored.revised.added),
        ("replaced", stored.revised.replaced),
    ];
    for (name, count) in counts {
        output.outputs.insert(name.to_owned(), count.into());
    }
    Ok(output)
}

/// Says in the log what was done.
fn tell(files: &Files, stored: &Stored, attempt: &AttemptContext) {
    let Stored {
        rows,
        files: count,
        revised,
        ..
    } = stored;
    let mut said = match stored.made.as_slice() {
        [path] => format!("{rows} records into `{path}`"),
        _ => format!("{rows} records into {count} files `{}`", files.path.text),
    };
    if files.mode == FileMode::Upsert {
        said += &format!(": {} new, {} replaced", revised.added, revised.replaced);
    }
    attempt.log.info(said);
    if stored.earlier > 0 {
        attempt.log.info(format!(
            "{} of these files had the records already, from an earlier attempt",
            stored.earlier
        ));
    }
}

struct Spread<'a> {
    files: &'a Arc<Files>,
    store: Arc<dyn Bucket>,
    attempt: &'a AttemptContext,
    rejects: Option<&'a Rejects>,
    stored: Stored,
}

#[async_trait]
impl Consumer for Spread<'_> {
    async fn consume(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure> {
        let misfits = Arc::new(Mutex::new(Vec::new()));
        let mut row = 0;
        let mut first = None;
        if source.columns().is_empty() {
            // A dataset without any record has no columns: there is nothing to write.
            first = source.next().await?;
            if first.is_none() {
                return finish(self.rejects);
            }
        }
        let work = Work {
            files: Arc::clone(self.files),
            store: Arc::clone(&self.store),
            scope: self.attempt.scope.clone(),
            columns: source.columns().clone(),
            load: self.attempt.idempotency_key(),
            folder: self.attempt.places.state.join("spool"),
            strict: self.rejects.is_none(),
            misfits: Arc::clone(&misfits),
        };
        let (orders, receiver) = mpsc::channel(IN_FLIGHT);
        let mut worker = Worker {
            orders,
            thread: spawn_blocking(move || work.run(receiver)),
        };
        let mut period = self.files.every.map(|every| {
            let mut period = interval_at(tokio::time::Instant::now() + every, every);
            period.set_missed_tick_behavior(MissedTickBehavior::Delay);
            period
        });
        loop {
            let next = match first.take() {
                Some(batch) => Next::Rows(Some(batch)),
                None => self.next(source, period.as_mut()).await?,
            };
            let order = match next {
                Next::Rows(Some(batch)) => {
                    let begin = row;
                    row += batch.rows() as u64;
                    Order::Rows(batch, begin)
                }
                Next::Rows(None) => break,
                Next::Store => Order::Store,
                Next::Cancelled => {
                    worker.finish(source).await?;
                    return Err(TaskFailure::retryable("cancelled"));
                }
            };
            worker.send(order, source).await?;
            self.reject(&misfits, source);
        }
        let (done, parted) = oneshot::channel();
        worker.send(Order::Tell(done), source).await?;
        if parted.await.is_err() {
            worker.ended(source).await?;
        }
        self.reject(&misfits, source);
        finish(self.rejects)?;
        self.stored = worker.finish(source).await?;
        Ok(())
    }
}

enum Next {
    Rows(Option<crate::data::Batch>),
    Store,
    Cancelled,
}

impl Spread<'_> {
    async fn next(
        &self,
        source: &mut dyn RecordSource,
        period: Option<&mut Interval>,
    ) -> Result<Next, DataError> {
        let Some(period) = period else {
            return source.next().await.map(Next::Rows);
        };
        tokio::select! {
            batch = source.next() => batch.map(Next::Rows),
            _ = period.tick() => Ok(Next::Store),
            () = self.attempt.cancel.cancelled() => Ok(Next::Cancelled),
        }
    }

    /// Hands rows without a file to the taker of bad records.
    fn reject(&self, misfits: &Mutex<Vec<Misfit>>, source: &dyn RecordSource) {
        let found = std::mem::take(&mut *misfits.lock().unwrap_or_else(PoisonError::into_inner));
        for misfit in found {
            if let Some(rejects) = self.rejects {
                rejects.add(reject(misfit, source));
            }
        }
    }
}

fn reject(misfit: Misfit, source: &dyn RecordSource) -> Reject {
    Reject {
        place: source.place(misfit.row),
        column: None,
        value: None,
        reason: misfit.reason,
        record: misfit.record,
    }
}

/// The thread and the way to it.
struct Worker {
    orders: mpsc::Sender<Order>,
    thread: JoinHandle<Result<Stored, Broken>>,
}

impl Worker {
    async fn send(
        &mut self,
        order: Order,
        source: &mut dyn RecordSource,
    ) -> Result<(), TaskFailure> {
        if self.orders.send(order).await.is_err() {
            self.ended(source).await?;
        }
        Ok(())
    }

    async fn finish(&mut self, source: &mut dyn RecordSource) -> Result<Stored, TaskFailure> {
        // A thread that is gone says why below.
        let _ = self.orders.send(Order::Finish).await;
        self.ended(source).await
    }

    async fn ended(&mut self, source: &mut dyn RecordSource) -> Result<Stored, TaskFailure> {
        let ended = (&mut self.thread).await;
        let ended = ended.map_err(|error| TaskFailure::retryable(error.to_string()))?;
        ended.map_err(|broken| match broken {
            Broken::Misfit(misfit) => DataError::from(reject(misfit, source)).into(),
            Broken::Failed(failure) => failure,
        })
    }
}
