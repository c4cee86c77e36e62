//! Attempts as async tasks of this process.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::Value as Json;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::{Answer, Executor, Job};
use crate::model::{AttemptId, AttemptOutcome, AttemptResult, FailureCause, Json as JsonText};
use crate::task::{Log, TaskFailure, TaskOutput, TaskResult};

/// How long an attempt may take to end after it was told to, before it is dropped.
const PATIENCE: Duration = Duration::from_mins(1);

/// Carries attempts out in this process.
#[derive(Debug, Default)]
pub struct Local {
    running: HashMap<AttemptId, CancellationToken>,
    /// Starts since the map was last cleared of attempts that have ended.
    started: usize,
}

impl Executor for Local {
    fn start(&mut self, job: Job, answers: &UnboundedSender<Answer>) {
        self.forget_ended();
        let attempt = job.context.id.clone();
        self.running
            .insert(attempt.clone(), job.context.cancel.clone());
        let answers = answers.clone();
        tokio::spawn(async move {
            let cancel = job.context.cancel.clone();
            let log = job.context.log.clone();
            // The guard tells `forget_ended` that nobody listens any more.
            let _ended = cancel.clone().drop_guard();
            let work = AssertUnwindSafe(job.action.run(&job.context)).catch_unwind();
            let overdue = async {
                cancel.cancelled().await;
                tokio::time::sleep(PATIENCE).await;
            };
            let answer = tokio::select! {
                biased;
                result = work => match result {
                    Ok(result) => {
                        if let Err(failure) = &result {
                            log.error(&failure.cause.message);
                        }
                        Answer::Finished { attempt, result: to_result(result, &cancel, &log) }
                    }
                    Err(panic) => {
                        let message = panic_message(panic.as_ref());
                        log.error(&message);
                        Answer::Lost { attempt, message }
                    }
                },
                () = overdue => Answer::Lost {
                    attempt,
                    message: format!("it didn't end within {} s after it was told to", PATIENCE.as_secs()),
                },
            };
            // Nobody listens when the process is ending: the store will say that it was lost.
            let _ = answers.send(answer);
        });
    }

    fn abort(&mut self, attempt: &AttemptId) {
        if let Some(cancel) = self.running.get(attempt) {
            cancel.cancel();
        }
    }
}

impl Local {
    /// Keeps the map as large as what runs, at a constant cost for each start.
    fn forget_ended(&mut self) {
        self.started += 1;
        if self.started > 2 * self.running.len().max(512) {
            self.started = 0;
            self.running.retain(|_, cancel| !cancel.is_cancelled());
        }
    }
}

fn to_result(result: TaskResult, cancel: &CancellationToken, log: &Log) -> AttemptResult {
    match result {
        Ok(output) => success(output, log),
        Err(mut failure) => AttemptResult {
            dataset: failure
                .dataset
                .take()
                .and_then(|dataset| as_json(&*dataset)),
            outcome: failed(&failure, cancel.is_cancelled(), log),
            outputs: JsonText::null(),
            metrics: None,
        },
    }
}

fn failed(failure: &TaskFailure, cancelled: bool, log: &Log) -> AttemptOutcome {
    // Which of cancel and timeout it was, the engine knows.
    if cancelled {
        return AttemptOutcome::Cancelled;
    }
    AttemptOutcome::Failed {
        // A message leaves the process as a log does.
        cause: FailureCause::new(failure.cause.kind, log.mask(&failure.cause.message)),
        retry_after: failure.retry_after,
    }
}

/// A value as JSON text. What tasks leave always has one.
fn as_json(value: &impl serde::Serialize) -> Option<JsonText> {
    let text = serde_json::to_string(value).ok()?;
    Some(JsonText(text.into()))
}

fn success(output: TaskOutput, log: &Log) -> AttemptResult {
    AttemptResult {
        outcome: if output.skipped {
            AttemptOutcome::Skipped
        } else {
            AttemptOutcome::Success
        },
        outputs: if output.outputs.is_empty() {
            JsonText::null()
        } else {
            // They are kept and shown as a log is.
            let outputs = log.mask_json(Json::Object(output.outputs));
            JsonText(outputs.to_string().into())
        },
        dataset: output.dataset.and_then(|dataset| as_json(&dataset)),
        metrics: Some(output.metrics)
            .filter(|metrics| *metrics != crate::task::Metrics::default())
            .and_then(|metrics| as_json(&metrics)),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("the task panicked, which is a mistake in runner: {text}")
}
