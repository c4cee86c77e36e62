//! The run state in an SQLite file.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::model::{
    AttemptResult, DagId, Json, RunId, RunSpec, RunState, TaskIndex, TaskRunId, Timestamp,
    Transition,
};
use crate::store::words::micros;
use crate::store::{
    Admission, AtWork, AttemptRow, Call, Command, CommandKind, CommitTimes, DagVersion, Decided,
    Failing, NewRun, Notice, NoticeLimit, Owner, Past, RunFilter, RunRow, RunStore, ScheduleRow,
    SkippedTicks, StoreError, StoredRun, Tally, TaskRunRow, TaskTimes, Thing,
};

use super::connections::SqliteStore;
use super::encode::json;
use super::notice::{self, Deed};
use super::order::{Order, Reply};
use super::outside;
use super::past;
use super::row;
use super::statement;
use super::tally;

#[async_trait]
impl RunStore for SqliteStore {
    async fn version(&self, hash: &str) -> Result<Option<DagVersion>, StoreError> {
        let found = self.row(sqlx::query(statement::VERSION).bind(hash)).await?;
        found.as_ref().map(row::version).transpose()
    }

    async fn begin(&self, versions: &[DagVersion], runs: &[NewRun]) -> Result<(), StoreError> {
        let mut missing = Vec::new();
        for version in versions {
            if self.version(&version.hash).await?.is_none() {
                missing.push(version.clone());
            }
        }
        if missing.is_empty() && runs.is_empty() {
            return Ok(());
        }
        let order = |versions| Order::Begin {
            versions,
            runs: runs.to_vec(),
        };
        match self.write(order(missing)).await {
            // One that was there has just gone with the last of its runs.
            Err(StoreError::UnknownVersion(hash))
                if versions.iter().any(|version| version.hash == hash) =>
            {
                self.write(order(versions.to_vec())).await
            }
            done => done,
        }
        .map(|_| ())
    }

    async fn commit_all(
        &self,
        owner: &Owner,
        transitions: &[Transition],
        heard: &[Command],
        notices: &[Notice],
    ) -> Result<(), StoreError> {
        if transitions.is_empty() && heard.is_empty() && notices.is_empty() {
            return Ok(());
        }
        let order = Order::Commit {
            owner: owner.clone(),
            transitions: transitions.to_vec(),
            heard: heard.to_vec(),
            notices: notices.to_vec(),
        };
        self.write(order).await.map(|_| ())
    }

    async fn notices(&self) -> Result<Vec<Notice>, StoreError> {
        let rows = self.rows(sqlx::query(notice::ALL)).await?;
        rows.iter().map(notice::notice).collect()
    }

    async fn take_notice(&self, notice: &Notice, to: &Owner) -> Result<bool, StoreError> {
        let reply = self
            .of_notice(notice, Deed::Take { to: to.clone() })
            .await?;
        Ok(matches!(reply, Reply::Taken(true)))
    }

    async fn admit_notice(
        &self,
        notice: &Notice,
        limit: NoticeLimit,
    ) -> Result<Admission, StoreError> {
        match self.of_notice(notice, Deed::Admit { limit }).await? {
            Reply::Admitted(admission) => Ok(admission),
            _ => Ok(Admission::Gone),
        }
    }

    async fn try_notice(&self, notice: &Notice, tries: u32) -> Result<(), StoreError> {
        let reply = self.of_notice(notice, Deed::Try { tries }).await;
        reply.map(|_| ())
    }

    async fn settle_notice(&self, notice: &Notice) -> Result<(), StoreError> {
        self.of_notice(notice, Deed::Settle).await.map(|_| ())
    }

    async fn failing(&self, dag: &DagId) -> Result<Option<Failing>, StoreError> {
        let query = sqlx::query(notice::FAILING).bind(dag.as_str());
        let found = self.row(query).await?;
        found.as_ref().map(notice::failing).transpose()
    }

    async fn adopt(
        &self,
        from: &Owner,
        to: &Owner,
        run: Option<&RunId>,
    ) -> Result<Vec<StoredRun>, StoreError> {
        let order = Order::Adopt {
            from: from.clone(),
            to: to.clone(),
            run: run.cloned(),
        };
        match self.write(order).await? {
            Reply::Runs(runs) => Ok(runs),
            _ => Ok(Vec::new()),
        }
    }

    async fn owners(&self) -> Result<Vec<(Owner, RunId, DagId)>, StoreError> {
        let rows = self.rows(sqlx::query(statement::OWNERS)).await?;
        rows.iter()
            .map(|found| {
                Ok((
                    Owner(row::get(found, 0)?),
                    row::run_id(row::get(found, 1)?)?,
                    row::dag_id(row::get(found, 2)?)?,
                ))
            })
            .collect()
    }

    async fn load(&self, run: &RunId) -> Result<Option<StoredRun>, StoreError> {
        let query = sqlx::query(statement::LOAD).bind(run.as_str());
        let found = self.row(query).await?;
        found.as_ref().map(row::stored_run).transpose()
    }

    async fn specs(&self, runs: &[RunId]) -> Result<Vec<RunSpec>, StoreError> {
        let query = sqlx::query(statement::RUNS_BY_ID).bind(json(&runs)?);
        self.rows(query).await?.iter().map(row::spec).collect()
    }

    async fn put_command(
        &self,
        run: &RunId,
        kind: &CommandKind,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let order = Order::PutCommand {
            run: run.clone(),
            kind: kind.clone(),
            at,
        };
        self.write(order).await.map(|_| ())
    }

    async fn commands(&self, owner: &Owner) -> Result<Vec<Command>, StoreError> {
        let query = sqlx::query(statement::COMMANDS).bind(&owner.0);
        self.rows(query).await?.iter().map(row::command).collect()
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        let mut states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
        states.sort_unstable();
        states.dedup();
        let dag = filter.dag.as_ref();
        let before = filter.before.as_ref().map(|id| id.as_str().to_owned());
        // What begins so lies between its beginning and that with the last letter of all.
        let prefix = Some(filter.prefix.as_str()).filter(|prefix| !prefix.is_empty());
        let above = prefix.map(|prefix| format!("{prefix}{}", char::MAX));
        let below = before.into_iter().chain(above).min();
        let text = statement::list_runs(dag.is_some(), below.is_some(), prefix.is_some(), &states);
        let limit = if filter.limit == 0 {
            -1
        } else {
            i64::from(filter.limit)
        };
        let query = sqlx::query(AssertSqlSafe(text))
            .bind(dag.map(DagId::as_str))
            .bind(below)
            .bind(limit)
            .bind(prefix);
        self.rows(query).await?.iter().map(row::run_row).collect()
    }

    async fn find_runs(&self, part: &str, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        if let Ok(whole) = RunId::new(part) {
            let found = self.runs_by_id(&[whole]).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let query = sqlx::query(statement::FIND_RUNS).bind(part).bind(limit);
        self.rows(query).await?.iter().map(row::run_row).collect()
    }

    async fn task_runs(&self, run: &RunId) -> Result<Vec<TaskRunRow>, StoreError> {
        let query = sqlx::query(statement::TASK_RUNS).bind(run.as_str());
        row::task_run_rows(&self.rows(query).await?)
    }

    async fn attempts(
        &self,
        run: &RunId,
        task: Option<TaskIndex>,
    ) -> Result<Vec<AttemptRow>, StoreError> {
        let query = match task {
            Some(task) => sqlx::query(statement::ATTEMPTS_OF_TASK)
                .bind(run.as_str())
                .bind(task.0),
            None => sqlx::query(statement::ATTEMPTS).bind(run.as_str()),
        };
        let rows = self.rows(query).await?;
        rows.iter().map(row::attempt_row).collect()
    }

    async fn results(
        &self,
        run: &RunId,
        task: TaskIndex,
    ) -> Result<Vec<(TaskRunId, AttemptResult)>, StoreError> {
        let query = sqlx::query(statement::RESULTS)
            .bind(run.as_str())
            .bind(task.0);
        let rows = self.rows(query).await?;
        rows.iter()
            .filter_map(|found| row::task_result(found, task).transpose())
            .collect()
    }

    async fn items(&self, run: &RunId, task: TaskIndex) -> Result<Vec<Json>, StoreError> {
        let query = sqlx::query(statement::ITEMS)
            .bind(run.as_str())
            .bind(task.0);
        let rows = self.rows(query).await?;
        rows.iter()
            .map(|found| Ok(Json(row::get::<&str>(found, 0)?.into())))
            .collect()
    }

    async fn decide(&self, decided: &Decided) -> Result<(), StoreError> {
        let decided = decided.clone();
        self.write(Order::Decide { decided }).await.map(|_| ())
    }

    async fn schedules(&self) -> Result<Vec<ScheduleRow>, StoreError> {
        let rows = self.rows(sqlx::query(statement::SCHEDULES)).await?;
        rows.iter().map(row::schedule).collect()
    }

    async fn things(&self) -> Result<Vec<Thing>, StoreError> {
        let rows = self.rows(sqlx::query(outside::THINGS)).await?;
        rows.iter().map(outside::thing).collect()
    }

    async fn put_call(&self, call: &Call) -> Result<(), StoreError> {
        let call = call.clone();
        self.write(Order::PutCall { call }).await.map(|_| ())
    }

    async fn calls(&self) -> Result<Vec<Call>, StoreError> {
        let rows = self.rows(sqlx::query(outside::CALLS)).await?;
        rows.iter().map(outside::call).collect()
    }

    async fn set_paused(&self, dag: &DagId, paused: bool) -> Result<(), StoreError> {
        let dag = dag.clone();
        let order = Order::SetPaused { dag, paused };
        self.write(order).await.map(|_| ())
    }

    async fn skipped(
        &self,
        dag: Option<&DagId>,
        limit: u32,
    ) -> Result<Vec<SkippedTicks>, StoreError> {
        let limit = if limit == 0 { -1 } else { i64::from(limit) };
        let text = match dag {
            Some(_) => statement::SKIPPED_OF_DAG,
            None => statement::SKIPPED,
        };
        let query = sqlx::query(text).bind(dag.map(DagId::as_str)).bind(limit);
        self.rows(query).await?.iter().map(row::skipped).collect()
    }

    async fn dags(&self) -> Result<Vec<DagId>, StoreError> {
        let rows = self.rows(sqlx::query(past::DAGS)).await?;
        rows.iter()
            .map(|found| row::dag_id(row::get(found, 0)?))
            .collect()
    }

    async fn last_ends(&self, dags: &[DagId]) -> Result<Vec<(DagId, RunState)>, StoreError> {
        if dags.is_empty() {
            return Ok(Vec::new());
        }
        let query = sqlx::query(statement::LAST_ENDS).bind(json(&dags)?);
        let rows = self.rows(query).await?;
        let ends = rows.iter().map(row::last_end);
        ends.filter_map(Result::transpose).collect()
    }

    async fn ended_since(
        &self,
        dags: &[(DagId, Timestamp)],
        most: u32,
    ) -> Result<Vec<RunRow>, StoreError> {
        if dags.is_empty() {
            return Ok(Vec::new());
        }
        let since = dags.iter().map(|(dag, since)| (dag, micros(*since)));
        let asked = json(&since.collect::<Vec<_>>())?;
        let query = sqlx::query(statement::ENDED_SINCE).bind(asked).bind(most);
        self.rows(query).await?.iter().map(row::run_row).collect()
    }

    async fn begun_elsewhere(&self, own: &Owner, from: &RunId) -> Result<Vec<RunRow>, StoreError> {
        let query = sqlx::query(statement::BEGUN_ELSEWHERE)
            .bind(&own.0)
            .bind(from.as_str());
        self.rows(query).await?.iter().map(row::run_row).collect()
    }

    async fn latest_runs(
        &self,
        dags: &[DagId],
        most: u32,
        ended: bool,
    ) -> Result<Vec<RunRow>, StoreError> {
        if dags.is_empty() {
            return Ok(Vec::new());
        }
        let query = sqlx::query(statement::LATEST_RUNS)
            .bind(json(&dags)?)
            .bind(most)
            .bind(ended);
        self.rows(query).await?.iter().map(row::run_row).collect()
    }

    async fn task_times(&self, dags: &[DagId], most: u32) -> Result<Vec<TaskTimes>, StoreError> {
        if dags.is_empty() {
            return Ok(Vec::new());
        }
        let query = sqlx::query(statement::TASK_TIMES)
            .bind(json(&dags)?)
            .bind(most);
        self.rows(query)
            .await?
            .iter()
            .map(row::task_times)
            .collect()
    }

    async fn tallies(&self) -> Result<Vec<Tally>, StoreError> {
        let rows = self.rows(sqlx::query(tally::TALLIES)).await?;
        rows.iter().map(tally::tally).collect()
    }

    async fn at_work(&self) -> Result<Vec<AtWork>, StoreError> {
        let rows = self.rows(sqlx::query(tally::AT_WORK)).await?;
        rows.iter().map(tally::at_work).collect()
    }

    fn commit_times(&self) -> Option<&CommitTimes> {
        Some(&self.times)
    }

    async fn runs_by_id(&self, runs: &[RunId]) -> Result<Vec<RunRow>, StoreError> {
        let ids: Vec<&str> = runs.iter().map(RunId::as_str).collect();
        let query = sqlx::query(statement::RUNS_BY_ID).bind(json(&ids)?);
        self.rows(query).await?.iter().map(row::run_row).collect()
    }

    async fn past_runs(&self, past: &Past) -> Result<Vec<RunId>, StoreError> {
        // Ids begin with the time of creation, which isn't after the end.
        let bound = past.ended_before.map(|before| RunId::generate(before, 0));
        let query = sqlx::query(past::PAST)
            .bind(past.dag.as_str())
            .bind(past.beyond.map(|count| i64::from(count) - 1))
            .bind(past.ended_before.map(micros))
            .bind(bound.as_ref().map_or("", RunId::as_str))
            .bind(past.after.as_ref().map_or("", RunId::as_str))
            .bind(past.limit);
        let rows = self.rows(query).await?;
        rows.iter()
            .map(|found| row::run_id(row::get(found, 0)?))
            .collect()
    }

    async fn remove_runs(&self, runs: &[RunId]) -> Result<Vec<RunId>, StoreError> {
        let runs = runs.to_vec();
        match self.write(Order::RemoveRuns { runs }).await? {
            Reply::Removed(gone) => Ok(gone),
            _ => Ok(Vec::new()),
        }
    }

    async fn forget_skipped(&self, past: &Past) -> Result<u64, StoreError> {
        let past = past.clone();
        match self.write(Order::ForgetSkipped { past }).await? {
            Reply::Forgotten(count) => Ok(count),
            _ => Ok(0),
        }
    }

    async fn removed_runs(&self, limit: u32) -> Result<Vec<RunId>, StoreError> {
        let rows = self.rows(sqlx::query(past::REMOVED).bind(limit)).await?;
        rows.iter()
            .map(|found| row::run_id(row::get(found, 0)?))
            .collect()
    }

    async fn forget_removed(&self, runs: &[RunId]) -> Result<(), StoreError> {
        let runs = runs.to_vec();
        let order = Order::ForgetRemoved { runs };
        self.write(order).await.map(|_| ())
    }

    async fn vacuum(&self) -> Result<u64, StoreError> {
        let done = async {
            let mut connection = self.settings.connect().await?;
            let bytes = past::vacuum(&mut connection).await;
            drop(connection.close().await);
            bytes
        };
        done.await
            .map_err(|error| self.settings.place.explain("vacuumed", &error))
    }

    async fn close(&self) {
        self.end().await;
    }
}
