//! What an executor takes and gives.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use crate::model::{AttemptId, AttemptResult};
use crate::task::{AttemptContext, Task};

/// An attempt to carry out.
pub struct Job {
    pub action: Arc<dyn Task>,
    pub context: AttemptContext,
}

/// How an attempt ended.
#[derive(Debug)]
pub enum Answer {
    Finished {
        attempt: AttemptId,
        result: AttemptResult,
    },
    /// It ended without a result: a panic, or it didn't stop when it was told to.
    Lost { attempt: AttemptId, message: String },
}

/// Carries out attempts. Every started attempt gives one answer.
pub trait Executor: Send {
    /// Starts an attempt and returns at once.
    fn start(&mut self, job: Job, answers: &UnboundedSender<Answer>);

    /// Tells an attempt to end; its answer still comes. Unknown attempts are ignored.
    fn abort(&mut self, attempt: &AttemptId);
}
