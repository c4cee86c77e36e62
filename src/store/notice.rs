//! What is to be told to people: kept with what it is about until it has been told.

use crate::model::{DagId, Json, Occasion, RunId, Timestamp};

use super::Owner;

/// A message that is due. Run, occasion and time are its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub run: RunId,
    pub dag: DagId,
    pub occasion: Occasion,
    pub at: Timestamp,
    /// Who tells it.
    pub owner: Owner,
    /// How often that was tried.
    pub tries: u32,
    /// What it says beside the run, for templates: a JSON map, or `null`.
    pub detail: Json,
}

/// How often a DAG may be spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeLimit {
    /// Most messages in a window.
    pub most: u32,
    /// A window is over when it began at this moment or before.
    pub begun_by: Timestamp,
    pub now: Timestamp,
}

/// What becomes of a message that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is to be told, and so many before it were held back.
    Tell { held: u64 },
    /// There were too many: it is counted and forgotten.
    Held,
    /// It isn't there: it was told, or its DAG had not failed.
    Gone,
}

/// A DAG of which a run failed, and none that was begun then or later has succeeded since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// The latest run that failed.
    pub run: RunId,
    /// When the first failed.
    pub since: Timestamp,
    pub failures: u64,
}
