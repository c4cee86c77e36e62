//! The run state in an SQLite file.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::model::{
    AttemptResult, DagId, Json, RunId, TaskIndex, TaskRunId, Timestamp, Transition,
};
use crate::store::words::micros;
use crate::store::{
    Admission, AttemptRow, Call, Command, CommandKind, DagVersion, Decided, Failing, NewRun,
    Notice, NoticeLimit, Owner, Past, RunFilter, RunRow, RunStore, ScheduleRow, SkippedTicks,
    StoreError, StoredRun, TaskRunRow, Thing,
};

use super::error::Place;
use super::notice::{self, Deed};
use super::open::Settings;
use super::order::{Order, Reply};
use super::outside;
use super::past;
use super::row;
use super::statement;
use super::writer::{Request, Writer};

/// How long a lock of another process is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests that may wait for the writer; whoever has more waits itself.
const QUEUE: usize = 1024;

/// Connections that read at the same time.
const READERS: u32 = 4;

/// Run state in an SQLite file that several processes may have open.
pub struct SqliteStore {
    settings: Settings,
    /// Takes what is to be written; `None` after [`RunStore::close`].
    writer: Mutex<Option<JoinHandle<()>>>,
    requests: std::sync::RwLock<Option<mpsc::Sender<Request>>>,
    /// Opens its first connection with the first read.
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, and makes or migrates it when needed. Its folder must exist. Waits for locks
    /// of other processes for 30 s.
    ///
    /// # Errors
    /// [`StoreError::TooNew`], [`StoreError::Corrupt`] when it is no database, and
    /// [`StoreError::Unavailable`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, PATIENCE).await
    }

    /// [`SqliteStore::open`], with another time to wait for locks of other processes.
    pub async fn open_with(path: &Path, patience: Duration) -> Result<Self, StoreError> {
        let settings = Settings {
            place: Place::new(path, patience),
        };
        let connection = settings.open().await?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = Writer::new(settings.clone(), connection);
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(patience)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(settings.for_reading());
        Ok(Self {
            settings,
            writer: Mutex::new(Some(tokio::spawn(writer.run(receiver)))),
            requests: std::sync::RwLock::new(Some(sender)),
            readers,
        })
    }

    /// Has something written, and waits until it is durable.
    pub(super) async fn write(&self, order: Order) -> Result<Reply, StoreError> {
        let gone = || StoreError::Unavailable {
            action: "written",
            message: format!("`{}` was closed", self.settings.place.path.display()),
        };
        let requests = self
            .requests
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
            .ok_or_else(gone)?;
        let (done, answer) = oneshot::channel();
        requests
            .send(Request { order, done })
            .await
            .map_err(|_| gone())?;
        drop(requests);
        answer.await.map_err(|_| gone())?
    }

    async fn of_notice(&self, notice: &Notice, deed: Deed) -> Result<Reply, StoreError> {
        let notice = notice.clone();
        self.write(Order::OfNotice { notice, deed }).await
    }

    pub(super) async fn rows(
        &self,
        query: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        query
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.settings.place.explain("read", &error))
    }

    pub(super) async fn row(
        &self,
        query: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<Option<SqliteRow>, StoreError> {
        query
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| self.settings.place.explain("read", &error))
    }
}

#[async_trait]
impl RunStore for SqliteStore {
    async fn put_version(&self, version: &DagVersion) -> Result<(), StoreError> {
        if self.version(&version.hash).await?.is_none() {
            let version = version.clone();
            self.write(Order::PutVersion { version }).await?;
        }
        Ok(())
    }

    async fn version(&self, hash: &str) -> Result<Option<DagVersion>, StoreError> {
        let found = self.row(sqlx::query(statement::VERSION).bind(hash)).await?;
        found.as_ref().map(row::version).transpose()
    }

    async fn create_runs(&self, runs: &[NewRun]) -> Result<(), StoreError> {
        if runs.is_empty() {
            return Ok(());
        }
        let runs = runs.to_vec();
        self.write(Order::CreateRuns { runs }).await.map(|_| ())
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
        let (dag, before) = (filter.dag.as_ref(), filter.before.as_ref());
        let text = statement::list_runs(dag.is_some(), before.is_some(), &states);
        let limit = if filter.limit == 0 {
            -1
        } else {
            i64::from(filter.limit)
        };
        let query = sqlx::query(AssertSqlSafe(text))
            .bind(dag.map(DagId::as_str))
            .bind(before.map(RunId::as_str))
            .bind(limit);
        self.rows(query).await?.iter().map(row::run_row).collect()
    }

    async fn find_runs(&self, part: &str, limit: u32) -> Result<Vec<RunRow>, StoreError> {
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
        let query = sqlx::query(statement::SKIPPED)
            .bind(dag.map(DagId::as_str))
            .bind(limit);
        self.rows(query).await?.iter().map(row::skipped).collect()
    }

    async fn dags(&self) -> Result<Vec<DagId>, StoreError> {
        let rows = self.rows(sqlx::query(past::DAGS)).await?;
        rows.iter()
            .map(|found| row::dag_id(row::get(found, 0)?))
            .collect()
    }

    async fn runs_by_id(&self, runs: &[RunId]) -> Result<Vec<RunRow>, StoreError> {
        let ids: Vec<&str> = runs.iter().map(RunId::as_str).collect();
        let ids =
            serde_json::to_string(&ids).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let query = sqlx::query(statement::RUNS_BY_ID).bind(ids);
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
        let requests = self
            .requests
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        drop(requests);
        self.readers.close().await;
        if let Some(writer) = self.writer.lock().await.take() {
            drop(writer.await);
        }
    }
}
