//! Values that everybody speaks of: names, DAGs, schedules, runs and their states.
//!
//! Nothing here does anything: no clock, no I/O, no async.

mod after;
mod dag;
mod ids;
mod notice;
mod policy;
mod run;
mod schedule;

pub use after::After;
pub use dag::{Dag, Task};
pub use ids::{
    ConnectionId, DagId, DatasetId, InvalidName, MAX_LENGTH, PoolId, RunId, TaskId, TaskIndex,
    check_name,
};
pub use notice::Occasion;
pub use policy::{Backoff, RetryPolicy, TriggerRule};
pub use run::{
    AttemptId, AttemptOutcome, AttemptResult, Budget, DataInterval, Ended, FailureCause,
    FailureKind, Json, Outcome, RunSpec, RunState, TaskRunId, TaskRunSnapshot, TaskState,
    Timestamp, Transition, TriggerKind,
};
pub use schedule::{
    Calendar, Catchup, Clock, CronMistake, CronRule, Every, NICKNAMES, OverlapPolicy, Rule,
    Schedule, Timetable, from_local,
};
