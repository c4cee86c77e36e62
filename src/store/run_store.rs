//! What a store of run state promises.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::engine::plan::{Memory, SkipReason};
use crate::model::{
    AttemptResult, DagId, Json, Outcome, RunId, RunSpec, RunState, TaskIndex, TaskRunId,
    TaskRunSnapshot, TaskState, Timestamp, Transition, TriggerKind,
};

use super::{
    Admission, AtWork, Call, CommitTimes, Failing, Notice, NoticeLimit, Tally, Thing, ThingChange,
};

/// The process that carries a run out. A store takes a run's transitions from its owner only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub String);

/// The definition that a run is pinned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DagVersion {
    /// SHA-256 of the files below, 64 hexadecimal digits.
    pub hash: String,
    pub dag: DagId,
    /// Names of the tasks, by index: what rows say of a task number.
    pub tasks: Vec<String>,
    /// Path (relative to the project) and text of every file that defines the DAG.
    pub files: BTreeMap<String, Arc<str>>,
}

/// A run to accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    pub spec: RunSpec,
    pub owner: Owner,
}

/// Durable run state. Every method is one transaction; when it returns, its effect survives a loss
/// of power. Implementations: SQLite, memory; one conformance suite for all.
///
/// After [`StoreError::Unavailable`] nobody knows whether the call had its effect: repeat it with
/// the same arguments, before any other call about the same runs. Every method takes that.
/// Times are kept to the microsecond: what is below is cut off.
#[async_trait]
pub trait RunStore: Send + Sync {
    async fn version(&self, hash: &str) -> Result<Option<DagVersion>, StoreError>;

    /// Keeps versions, and accepts runs, all or none: all tasks are waiting. A version that is there
    /// stays as it is; a run's must be there or among them ([`StoreError::UnknownVersion`]): both
    /// come in one call, because a version goes with the last of its runs. An id that exists is
    /// refused ([`StoreError::Exists`]), unless its specification and owner are the same: then it
    /// stays as it is.
    async fn begin(&self, versions: &[DagVersion], runs: &[NewRun]) -> Result<(), StoreError>;

    /// Makes transitions durable, all or none, in their order. Concurrent calls share a commit.
    /// Refused as a whole ([`StoreError::NotOwner`]) when a run belongs to another owner, and
    /// ([`StoreError::Fenced`]) when what they lead to is older than what is stored: of an earlier
    /// generation, or of the same one with a smaller fence. An attempt that is in the history
    /// already stays as it is there.
    async fn commit(&self, owner: &Owner, transitions: &[Transition]) -> Result<(), StoreError> {
        self.commit_heard(owner, transitions, &[]).await
    }

    /// [`commit`](Self::commit) of what commands have led to, and the commands are forgotten in the
    /// same transaction: each has its effect once, whoever is killed when. Commands that aren't
    /// there (any more) are nobody's mistake.
    async fn commit_heard(
        &self,
        owner: &Owner,
        transitions: &[Transition],
        heard: &[Command],
    ) -> Result<(), StoreError> {
        self.commit_all(owner, transitions, heard, &[]).await
    }

    /// [`commit_heard`](Self::commit_heard), and what is to be told of it is kept in the same
    /// transaction. A failure makes its DAG a failing one; a recovery is kept only where its DAG is
    /// failing by a run that was begun with this one or before, and ends that. A notice that is
    /// there stays as it is.
    async fn commit_all(
        &self,
        owner: &Owner,
        transitions: &[Transition],
        heard: &[Command],
        notices: &[Notice],
    ) -> Result<(), StoreError>;

    /// What is to be told, oldest first, whoever tells it.
    async fn notices(&self) -> Result<Vec<Notice>, StoreError>;
    /// Makes another owner tell a notice. `false`: it is told, or somebody else does.
    async fn take_notice(&self, notice: &Notice, to: &Owner) -> Result<bool, StoreError>;
    /// Whether a notice may be told now. It is counted once, however often it is asked.
    async fn admit_notice(
        &self,
        notice: &Notice,
        limit: NoticeLimit,
    ) -> Result<Admission, StoreError>;
    /// Keeps how often it was tried to tell a notice.
    async fn try_notice(&self, notice: &Notice, tries: u32) -> Result<(), StoreError>;
    /// Forgets a notice: it was told, or is given up.
    async fn settle_notice(&self, notice: &Notice) -> Result<(), StoreError>;
    /// Whether a DAG is failing.
    async fn failing(&self, dag: &DagId) -> Result<Option<Failing>, StoreError>;

    /// Takes runs from an owner that ended, all that it had unfinished or, with `run`, one of any
    /// state. Gives what was taken; a run that has another owner meanwhile is left out. After
    /// [`StoreError::Unavailable`] adopt `from` yourself (`to`, `to`) as well: that gives what was
    /// taken without your knowing.
    async fn adopt(
        &self,
        from: &Owner,
        to: &Owner,
        run: Option<&RunId>,
    ) -> Result<Vec<StoredRun>, StoreError>;

    /// The owners of unfinished runs, with the DAGs of their runs.
    async fn owners(&self) -> Result<Vec<(Owner, RunId, DagId)>, StoreError>;

    /// All that is needed to go on with a run.
    async fn load(&self, run: &RunId) -> Result<Option<StoredRun>, StoreError>;

    /// What runs were accepted with, by their ids; those that aren't there are left out.
    async fn specs(&self, runs: &[RunId]) -> Result<Vec<RunSpec>, StoreError>;

    /// Leaves a command for a run's owner; the store rings no bell, the caller does. The same
    /// command of the same time is left once.
    async fn put_command(
        &self,
        run: &RunId,
        kind: &CommandKind,
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// The commands for an owner's runs, in the order in which they were left. They stay until
    /// they are named to [`commit_heard`](Self::commit_heard), and pass with their run to its next
    /// owner.
    async fn commands(&self, owner: &Owner) -> Result<Vec<Command>, StoreError>;

    /// Runs, newest first, which is by id from high to low.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError>;
    /// Runs whose id contains `part`, newest first, at most `limit`. A whole id means its run alone.
    async fn find_runs(&self, part: &str, limit: u32) -> Result<Vec<RunRow>, StoreError>;
    /// The task runs of a run that something has happened to, in order of task and item. Items
    /// whose group is of a later generation are gone.
    async fn task_runs(&self, run: &RunId) -> Result<Vec<TaskRunRow>, StoreError>;
    /// The attempts that ended, by the time when they did; of one task when it is named.
    async fn attempts(
        &self,
        run: &RunId,
        task: Option<TaskIndex>,
    ) -> Result<Vec<AttemptRow>, StoreError>;
    /// The results of a task's finished task runs: one for a plain task, one for each item,
    /// in order. Of the current generation.
    async fn results(
        &self,
        run: &RunId,
        task: TaskIndex,
    ) -> Result<Vec<(TaskRunId, AttemptResult)>, StoreError>;
    /// The items a `foreach` became, in its present generation.
    async fn items(&self, run: &RunId, task: TaskIndex) -> Result<Vec<Json>, StoreError>;

    /// Makes what schedules have decided durable, all or none: versions are kept, runs begin, ticks
    /// are skipped, and what is remembered of a DAG is replaced, with the things and calls that
    /// started runs. Runs as in [`begin`](Self::begin); a
    /// second run of the same DAG and scheduled time is refused ([`StoreError::Exists`]). A skip
    /// with the same first tick is kept once.
    async fn decide(&self, decided: &Decided) -> Result<(), StoreError>;
    /// What is remembered of the DAGs that a schedule or a person has decided about.
    async fn schedules(&self) -> Result<Vec<ScheduleRow>, StoreError>;
    /// The things outside that have started runs and are still there.
    async fn things(&self) -> Result<Vec<Thing>, StoreError>;
    /// Leaves a call for the daemon; the store rings no bell, the caller does. A call with the same
    /// id is left once.
    async fn put_call(&self, call: &Call) -> Result<(), StoreError>;
    /// The calls that no schedule has decided about, in the order in which they were left.
    async fn calls(&self) -> Result<Vec<Call>, StoreError>;
    /// Pauses a DAG or lets it go on.
    async fn set_paused(&self, dag: &DagId, paused: bool) -> Result<(), StoreError>;
    /// Skipped ticks, latest first, at most `limit` (0: all); of one DAG when it is named.
    async fn skipped(
        &self,
        dag: Option<&DagId>,
        limit: u32,
    ) -> Result<Vec<SkippedTicks>, StoreError>;

    /// The DAGs that have runs, by name.
    async fn dags(&self) -> Result<Vec<DagId>, StoreError>;
    /// How the last run of each of these DAGs that began by itself has ended; DAGs without one are
    /// left out.
    async fn last_ends(&self, dags: &[DagId]) -> Result<Vec<(DagId, RunState)>, StoreError>;
    /// The runs of DAGs that ended after a moment, of each DAG at most the last `most`, by the time
    /// of their end.
    async fn ended_since(
        &self,
        dags: &[(DagId, Timestamp)],
        most: u32,
    ) -> Result<Vec<RunRow>, StoreError>;
    /// The runs of other owners from an id on, in the order of their ids.
    async fn begun_elsewhere(&self, own: &Owner, from: &RunId) -> Result<Vec<RunRow>, StoreError>;
    /// The newest runs of each of some DAGs, at most so many of each, newest first; with `ended` only
    /// those that have ended.
    async fn latest_runs(
        &self,
        dags: &[DagId],
        most: u32,
        ended: bool,
    ) -> Result<Vec<RunRow>, StoreError>;
    /// How long the tasks of the newest successful runs of each of some DAGs took, at most so many
    /// runs of each, newest first.
    async fn task_times(&self, dags: &[DagId], most: u32) -> Result<Vec<TaskTimes>, StoreError>;
    /// What has happened so far, counted, in the order of its fields. It outlives the runs.
    async fn tallies(&self) -> Result<Vec<Tally>, StoreError>;
    /// The tasks of runs that have not ended which run or could, by version, task and stage.
    async fn at_work(&self) -> Result<Vec<AtWork>, StoreError>;
    /// How long commits took; `None` where there are none.
    fn commit_times(&self) -> Option<&CommitTimes> {
        None
    }
    /// Runs by their ids; those that aren't there are left out.
    async fn runs_by_id(&self, runs: &[RunId]) -> Result<Vec<RunRow>, StoreError>;
    /// Runs that may be removed, oldest first.
    async fn past_runs(&self, past: &Past) -> Result<Vec<RunId>, StoreError>;
    /// Removes runs with everything that is known of them, and gives those that were removed: runs
    /// that have not ended, for which a command is left or of which something is to be told, stay.
    /// A version that only they were pinned to goes with them.
    /// The removed are remembered until [`forget_removed`](Self::forget_removed).
    async fn remove_runs(&self, runs: &[RunId]) -> Result<Vec<RunId>, StoreError>;
    /// Forgets skipped ticks of a DAG that are of the past as runs are, a thousand at a time at most:
    /// how many.
    async fn forget_skipped(&self, past: &Past) -> Result<u64, StoreError>;
    /// Removed runs that other databases may still know of, at most `limit`.
    async fn removed_runs(&self, limit: u32) -> Result<Vec<RunId>, StoreError>;
    /// Forgets removed runs.
    async fn forget_removed(&self, runs: &[RunId]) -> Result<(), StoreError>;
    /// Gives room that isn't used back to the disk: bytes. Nobody can write meanwhile.
    async fn vacuum(&self) -> Result<u64, StoreError>;

    /// Ends the store in good order.
    async fn close(&self);
}

/// Which of a DAG's runs are of the past. Its last success isn't.
#[derive(Debug, Clone)]
pub struct Past {
    pub dag: DagId,
    /// Those that ended before.
    pub ended_before: Option<Timestamp>,
    /// Those beyond the newest so many.
    pub beyond: Option<u32>,
    /// Only ids above this one: the next page.
    pub after: Option<RunId>,
    /// At most so many.
    pub limit: u32,
}

/// What schedules have decided.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decided {
    /// Kept as by [`begin`](RunStore::begin).
    pub versions: Vec<DagVersion>,
    pub runs: Vec<NewRun>,
    pub skipped: Vec<SkippedTicks>,
    pub memories: Vec<(DagId, Memory)>,
    /// What is to be told, as in [`commit_all`](RunStore::commit_all).
    pub notices: Vec<Notice>,
    /// What became of things outside, in this order.
    pub things: Vec<ThingChange>,
    /// Calls that are decided, by DAG and id.
    pub answered: Vec<(DagId, String)>,
}

/// Ticks that didn't run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedTicks {
    pub dag: DagId,
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: u64,
    pub reason: SkipReason,
}

/// What is remembered of a DAG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRow {
    pub dag: DagId,
    pub paused: bool,
    pub memory: Memory,
}

/// A run and its state, for recovery.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRun {
    pub spec: RunSpec,
    pub state: RunState,
    pub owner: Owner,
    /// Task runs that something has happened to, in order of task and item.
    pub tasks: Vec<TaskRunSnapshot>,
    /// The items of every task that became items in its present generation, whether they have
    /// ended or not: needed to dispatch them.
    pub items: BTreeMap<TaskIndex, Vec<Json>>,
}

/// What a person asks of a run that another process may own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    Cancel,
    Retry { tasks: Vec<TaskIndex> },
    RetryItem { task: TaskIndex, item: u32 },
    Mark { task: TaskIndex, outcome: Outcome },
}

/// A command, the run it is for, and when it was given: all three are its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub run: RunId,
    pub kind: CommandKind,
    pub at: Timestamp,
}

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub dag: Option<DagId>,
    /// Only these states; empty: all.
    pub states: Vec<RunState>,
    /// Only ids that begin so; empty: all.
    pub prefix: String,
    /// Only runs created before this one (an id of an earlier answer): the next page.
    pub before: Option<RunId>,
    /// At most so many; 0: no limit.
    pub limit: u32,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    pub id: RunId,
    pub dag: DagId,
    pub version: String,
    pub state: RunState,
    pub trigger: TriggerKind,
    pub params: Json,
    pub interval: crate::model::DataInterval,
    pub created: Timestamp,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
    pub owner: Owner,
}

/// A task run in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRunRow {
    pub id: TaskRunId,
    pub generation: u32,
    pub attempts: u32,
    pub state: TaskState,
    /// When its first attempt of this generation started.
    pub started: Option<Timestamp>,
    /// The result of the last attempt of this generation that ended.
    pub result: Option<AttemptResult>,
}

/// An attempt that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRow {
    pub id: TaskRunId,
    pub generation: u32,
    pub number: u32,
    pub started: Timestamp,
    pub finished: Timestamp,
    pub result: AttemptResult,
}

/// How long the tasks of a run took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskTimes {
    pub dag: DagId,
    pub version: String,
    /// Of each attempt that succeeded, in the order of tasks and items; 0 when its clock went back.
    pub attempts: Vec<(TaskIndex, Duration)>,
}

/// What a store refuses or can't do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("run `{0}` exists already")]
    Exists(RunId),
    #[error("run `{run}` is carried out by another process ({owner})", owner = owner.0)]
    NotOwner { run: RunId, owner: Owner },
    #[error("a newer attempt has been started in run `{run}`")]
    Fenced { run: RunId },
    #[error("run `{0}` doesn't exist")]
    UnknownRun(RunId),
    #[error("account `{0}` doesn't exist")]
    UnknownAccount(String),
    #[error("the name `{0}` is another account's, or who it is for has another name")]
    NameTaken(String),
    #[error("the DAG's version `{0}` isn't stored: put it before its runs")]
    UnknownVersion(String),
    /// The store was written by a newer version of the program.
    #[error(
        "the run state in `{path}` has schema version {found}, this program knows up to {known}: use a newer `runner`"
    )]
    TooNew {
        path: String,
        found: i64,
        known: i64,
    },
    /// Something that may pass: locked by another process, disk full. Whether the call had its
    /// effect is open; see [`RunStore`].
    #[error("the run state can't be {action}: {message}")]
    Unavailable {
        action: &'static str,
        message: String,
    },
    /// A row that can't be read.
    #[error("the run state is damaged: {0}")]
    Corrupt(String),
}
