//! Runs of other DAGs, as tasks see them.

use async_trait::async_trait;
use serde_json::{Map as JsonMap, Value as Json};

use super::TaskFailure;
use crate::document::Spanned;
use crate::model::{DagId, RunId, RunState};

/// What carries runs out, as far as tasks may ask for some.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Begins a run, or finds the one that was begun for the same key.
    ///
    /// # Errors
    /// There is no such DAG, its parameters don't take these values, or nothing can be kept now.
    async fn begin(&self, wanted: WantedRun) -> Result<RunId, TaskFailure>;

    /// Waits for the end of a run, whoever carries it out.
    async fn end(&self, run: &RunId) -> RunEnd;

    /// Makes a run end soon.
    fn cancel(&self, run: &RunId);
}

/// A run that a task wants.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedRun {
    /// The run of the task: what it is about, the other is, too.
    pub parent: RunId,
    /// The same for all attempts of a task in one generation.
    pub key: String,
    pub dag: DagId,
    pub params: JsonMap<String, Json>,
    /// It isn't the first attempt: what has failed in the run is tried again.
    pub again: bool,
}

/// How a run has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// Success, failed or cancelled.
    pub state: RunState,
    /// Which task failed first, and why: "task `load`: no such table".
    pub cause: Option<String>,
}

/// The run that a task begins, as the document has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    pub dag: Spanned<String>,
    /// Names and, where they can be told before the run, values.
    pub params: Vec<(Spanned<String>, Option<Spanned<Json>>)>,
    /// The task goes on until the run has ended.
    pub wait: bool,
}
