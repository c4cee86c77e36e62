//! What happens outside and starts runs.

use crate::model::{DagId, Json, Timestamp};

/// Something outside that has started a run and is still there, such as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    pub dag: DagId,
    pub name: String,
    /// With another one it is something new.
    pub stamp: String,
}

/// What became of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThingChange {
    Keep(Thing),
    /// It is gone, and may come again.
    Forget {
        dag: DagId,
        name: String,
    },
}

/// A call from outside that calls for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub dag: DagId,
    /// The caller's own name for it: the same call has its effect once.
    pub id: String,
    /// What was said, as a JSON object.
    pub detail: Json,
    pub at: Timestamp,
}
