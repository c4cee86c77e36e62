//! A store whose calls fail now and then, for tests of whoever uses one.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::model::{
    AttemptResult, DagId, Json, RunId, RunSpec, RunState, TaskIndex, TaskRunId, Timestamp,
    Transition,
};

use super::{
    Admission, AtWork, AttemptRow, Call, Command, CommandKind, CommitTimes, DagVersion, Decided,
    Failing, NewRun, Notice, NoticeLimit, Owner, Past, RunFilter, RunRow, RunStore, ScheduleRow,
    SkippedTicks, StoreError, StoredRun, Tally, TaskRunRow, TaskTimes, Thing,
};

/// How often calls fail, in thousandths of all calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// The same seed fails the same calls.
    pub seed: u64,
    /// Calls that fail and change nothing.
    pub refused: u16,
    /// Calls that do their work and then report failure: an answer that got lost.
    pub unanswered: u16,
}

/// A store around another one that fails for a share of calls. Closing never fails.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    faults: Faults,
    calls: AtomicU64,
}

enum Fate {
    Works,
    Refused,
    Unanswered,
}

impl<S: RunStore> Faulty<S> {
    pub fn new(inner: S, faults: Faults) -> Self {
        Self {
            inner,
            faults,
            calls: AtomicU64::new(0),
        }
    }

    /// The store without faults.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn fate(&self) -> Fate {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let drawn = mix(self.faults.seed ^ mix(call)) % 1000;
        let refused = u64::from(self.faults.refused);
        if drawn < refused {
            Fate::Refused
        } else if drawn < refused + u64::from(self.faults.unanswered) {
            Fate::Unanswered
        } else {
            Fate::Works
        }
    }

    async fn call<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match self.fate() {
            Fate::Works => work.await,
            Fate::Refused => Err(failure("nothing was done")),
            Fate::Unanswered => {
                work.await?;
                Err(failure("it was done, though"))
            }
        }
    }
}

/// Spreads a number over all numbers (the finalizer of `SplitMix64`).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn failure(what: &str) -> StoreError {
    StoreError::Unavailable {
        action: "used",
        message: format!("a failure on purpose: {what}"),
    }
}

#[async_trait]
impl<S: RunStore> RunStore for Faulty<S> {
    async fn version(&self, hash: &str) -> Result<Option<DagVersion>, StoreError> {
        self.call(self.inner.version(hash)).await
    }

    async fn begin(&self, versions: &[DagVersion], runs: &[NewRun]) -> Result<(), StoreError> {
        self.call(self.inner.begin(versions, runs)).await
    }

    async fn commit_all(
        &self,
        owner: &Owner,
        transitions: &[Transition],
        heard: &[Command],
        notices: &[Notice],
    ) -> Result<(), StoreError> {
        let call = self.inner.commit_all(owner, transitions, heard, notices);
        self.call(call).await
    }

    async fn notices(&self) -> Result<Vec<Notice>, StoreError> {
        self.call(self.inner.notices()).await
    }

    async fn take_notice(&self, notice: &Notice, to: &Owner) -> Result<bool, StoreError> {
        self.call(self.inner.take_notice(notice, to)).await
    }

    async fn admit_notice(
        &self,
        notice: &Notice,
        limit: NoticeLimit,
    ) -> Result<Admission, StoreError> {
        self.call(self.inner.admit_notice(notice, limit)).await
    }

    async fn try_notice(&self, notice: &Notice, tries: u32) -> Result<(), StoreError> {
        self.call(self.inner.try_notice(notice, tries)).await
    }

    async fn settle_notice(&self, notice: &Notice) -> Result<(), StoreError> {
        self.call(self.inner.settle_notice(notice)).await
    }

    async fn failing(&self, dag: &DagId) -> Result<Option<Failing>, StoreError> {
        self.call(self.inner.failing(dag)).await
    }

    async fn adopt(
        &self,
        from: &Owner,
        to: &Owner,
        run: Option<&RunId>,
    ) -> Result<Vec<StoredRun>, StoreError> {
        self.call(self.inner.adopt(from, to, run)).await
    }

    async fn owners(&self) -> Result<Vec<(Owner, RunId, DagId)>, StoreError> {
        self.call(self.inner.owners()).await
    }

    async fn load(&self, run: &RunId) -> Result<Option<StoredRun>, StoreError> {
        self.call(self.inner.load(run)).await
    }

    async fn specs(&self, runs: &[RunId]) -> Result<Vec<RunSpec>, StoreError> {
        self.call(self.inner.specs(runs)).await
    }

    async fn put_command(
        &self,
        run: &RunId,
        kind: &CommandKind,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.call(self.inner.put_command(run, kind, at)).await
    }

    async fn commands(&self, owner: &Owner) -> Result<Vec<Command>, StoreError> {
        self.call(self.inner.commands(owner)).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        self.call(self.inner.runs(filter)).await
    }

    async fn find_runs(&self, part: &str, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        self.call(self.inner.find_runs(part, limit)).await
    }

    async fn task_runs(&self, run: &RunId) -> Result<Vec<TaskRunRow>, StoreError> {
        self.call(self.inner.task_runs(run)).await
    }

    async fn attempts(
        &self,
        run: &RunId,
        task: Option<TaskIndex>,
    ) -> Result<Vec<AttemptRow>, StoreError> {
        self.call(self.inner.attempts(run, task)).await
    }

    async fn results(
        &self,
        run: &RunId,
        task: TaskIndex,
    ) -> Result<Vec<(TaskRunId, AttemptResult)>, StoreError> {
        self.call(self.inner.results(run, task)).await
    }

    async fn items(&self, run: &RunId, task: TaskIndex) -> Result<Vec<Json>, StoreError> {
        self.call(self.inner.items(run, task)).await
    }

    async fn decide(&self, decided: &Decided) -> Result<(), StoreError> {
        self.call(self.inner.decide(decided)).await
    }

    async fn schedules(&self) -> Result<Vec<ScheduleRow>, StoreError> {
        self.call(self.inner.schedules()).await
    }

    async fn things(&self) -> Result<Vec<Thing>, StoreError> {
        self.call(self.inner.things()).await
    }

    async fn put_call(&self, call: &Call) -> Result<(), StoreError> {
        self.call(self.inner.put_call(call)).await
    }

    async fn calls(&self) -> Result<Vec<Call>, StoreError> {
        self.call(self.inner.calls()).await
    }

    async fn set_paused(&self, dag: &DagId, paused: bool) -> Result<(), StoreError> {
        self.call(self.inner.set_paused(dag, paused)).await
    }

    async fn skipped(
        &self,
        dag: Option<&DagId>,
        limit: u32,
    ) -> Result<Vec<SkippedTicks>, StoreError> {
        self.call(self.inner.skipped(dag, limit)).await
    }

    async fn dags(&self) -> Result<Vec<DagId>, StoreError> {
        self.call(self.inner.dags()).await
    }

    async fn last_ends(&self, dags: &[DagId]) -> Result<Vec<(DagId, RunState)>, StoreError> {
        self.call(self.inner.last_ends(dags)).await
    }

    async fn ended_since(
        &self,
        dags: &[(DagId, Timestamp)],
        most: u32,
    ) -> Result<Vec<RunRow>, StoreError> {
        self.call(self.inner.ended_since(dags, most)).await
    }

    async fn begun_elsewhere(&self, own: &Owner, from: &RunId) -> Result<Vec<RunRow>, StoreError> {
        self.call(self.inner.begun_elsewhere(own, from)).await
    }

    async fn latest_runs(
        &self,
        dags: &[DagId],
        most: u32,
        ended: bool,
    ) -> Result<Vec<RunRow>, StoreError> {
        self.call(self.inner.latest_runs(dags, most, ended)).await
    }

    async fn task_times(&self, dags: &[DagId], most: u32) -> Result<Vec<TaskTimes>, StoreError> {
        self.call(self.inner.task_times(dags, most)).await
    }

    async fn tallies(&self) -> Result<Vec<Tally>, StoreError> {
        self.call(self.inner.tallies()).await
    }

    async fn at_work(&self) -> Result<Vec<AtWork>, StoreError> {
        self.call(self.inner.at_work()).await
    }

    fn commit_times(&self) -> Option<&CommitTimes> {
        self.inner.commit_times()
    }

    async fn runs_by_id(&self, runs: &[RunId]) -> Result<Vec<RunRow>, StoreError> {
        self.call(self.inner.runs_by_id(runs)).await
    }

    async fn past_runs(&self, past: &Past) -> Result<Vec<RunId>, StoreError> {
        self.call(self.inner.past_runs(past)).await
    }

    async fn remove_runs(&self, runs: &[RunId]) -> Result<Vec<RunId>, StoreError> {
        self.call(self.inner.remove_runs(runs)).await
    }

    async fn forget_skipped(&self, past: &Past) -> Result<u64, StoreError> {
        self.call(self.inner.forget_skipped(past)).await
    }

    async fn removed_runs(&self, limit: u32) -> Result<Vec<RunId>, StoreError> {
        self.call(self.inner.removed_runs(limit)).await
    }

    async fn forget_removed(&self, runs: &[RunId]) -> Result<(), StoreError> {
        self.call(self.inner.forget_removed(runs)).await
    }

    async fn vacuum(&self) -> Result<u64, StoreError> {
        self.call(self.inner.vacuum()).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
