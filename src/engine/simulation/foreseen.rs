//! Who takes part, and what would happen.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Why;
use crate::engine::plan::{DagPlan, Occurrence, SkipReason};
use crate::model::{Dag, DagId, DatasetId, RunId, RunState, TaskRunId, Timestamp};

/// A DAG that takes part.
#[derive(Debug, Clone)]
pub struct Actor {
    pub plan: DagPlan,
    pub dag: Arc<Dag>,
    /// What each task does, by index.
    pub parts: Vec<Part>,
}

/// What a task does.
#[derive(Debug, Clone)]
pub struct Part {
    /// How long one attempt takes.
    pub takes: Duration,
    pub becomes: Becomes,
    pub writes: Vec<DatasetId>,
}

/// What a task with `if` or `foreach` becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Becomes {
    Run,
    Skip,
    Items(u32),
}

/// What would happen.
#[derive(Debug, Default)]
pub struct Foreseen {
    /// In the order of their beginnings.
    pub runs: Vec<ForeseenRun>,
    pub skipped: Vec<ForeseenSkip>,
    pub late: Vec<ForeseenLate>,
    pub waits: Vec<ForeseenWait>,
    /// The simulation was ended at this moment because it had become too long.
    pub cut: Option<Timestamp>,
}

/// A run that would begin.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeseenRun {
    pub id: RunId,
    pub dag: DagId,
    pub occurrence: Occurrence,
    /// When the planner let it begin.
    pub begun: Timestamp,
    /// `None`: it goes on at the end.
    pub ended: Option<(RunState, Timestamp)>,
}

/// Ticks that would be skipped.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeseenSkip {
    pub dag: DagId,
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: u64,
    pub reason: SkipReason,
}

/// A deadline that would be missed.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeseenLate {
    pub dag: DagId,
    /// `None`: it hasn't even begun.
    pub run: Option<RunId>,
    pub scheduled: Timestamp,
    pub deadline: Timestamp,
}

/// A task that would be ready and have to wait.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeseenWait {
    pub run: RunId,
    pub dag: DagId,
    pub task: TaskRunId,
    pub why: Why,
    pub since: Timestamp,
    /// `None`: it waits at the end.
    pub until: Option<Timestamp>,
}
