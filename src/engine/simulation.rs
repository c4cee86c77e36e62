//! The time machine: the planner and the engine themselves, run forward in virtual time.
//!
//! Tasks take as long as they are told to, and succeed. What comes out is what would happen: runs,
//! skipped ticks, missed deadlines, and waits for slots.

mod machine;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use self::machine::Machine;
use super::plan::{DagPlan, Memory, Occurrence, PlanEvent, SkipReason};
use super::{Limits, Why};
use crate::model::{Dag, DagId, DatasetId, RunId, RunState, TaskRunId, Timestamp};

/// Steps after which a simulation ends: more than a year of a large project.
const MOST_STEPS: u32 = 5_000_000;

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

/// Runs all DAGs forward from one moment to just before another, as if nothing had been before.
#[must_use]
pub fn simulate(actors: Vec<Actor>, limits: &Limits, from: Timestamp, to: Timestamp) -> Foreseen {
    let known = actors.iter().map(|actor| PlanEvent::Known {
        plan: actor.plan.clone(),
        memory: Memory {
            // What was before isn't caught up on; a tick at the beginning is the first.
            decided: Some(from - TimeDelta::microseconds(1)),
            ..Memory::default()
        },
        paused: false,
        running: Vec::new(),
        last: None,
        heard: Vec::new(),
        things: BTreeMap::new(),
    });
    let known = known.collect();
    let mut machine = Machine::new(actors, limits, known);
    let mut now = from;
    for step in 0.. {
        if step >= MOST_STEPS {
            machine.foreseen.cut = Some(now);
            break;
        }
        machine.step(now);
        if !machine.plan_events.is_empty() || !machine.events.is_empty() {
            continue;
        }
        let Some(next) = machine.next().filter(|next| *next < to) else {
            break;
        };
        now = next.max(now);
    }
    let waiting = std::mem::take(&mut machine.waiting);
    machine.foreseen.waits.extend(waiting.into_values());
    machine.foreseen
}
