//! One connection to the file, used by one attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use serde_json::Value as Json;
use sqlx::sqlite::{SqliteArguments, SqliteColumn, SqliteConnectOptions, SqliteConnection};
use sqlx::{
    Arguments as _, AssertSqlSafe, Column as _, Connection as _, Executor as _, SqlSafeStr as _,
    Statement as _, TypeInfo as _,
};

use super::error::of_statement;
use super::rows::Rows;
use super::{ledger, load};
use crate::connection::{
    ByteSource, Claim, DatabaseError, Described, Dialect, Fetched, LedgerKey, LoadInput,
    LoadTarget, Loaded, Notice, Session, Statement, Stopper, TableShape,
};
use crate::sqltext::atoms;

/// Steps of SQLite's machine between two looks at the stop flag: well under a millisecond.
const STEPS: i32 = 10_000;

/// Whether the session's statement was asked to end.
#[derive(Debug, Clone, Default)]
pub(super) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    pub(super) fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Stopper for StopFlag {
    async fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub(super) struct SqliteSession {
    pub(super) connection: SqliteConnection,
    flag: StopFlag,
}

impl SqliteSession {
    /// Opens the file.
    pub(super) async fn open(options: &SqliteConnectOptions) -> Result<Self, DatabaseError> {
        let flag = StopFlag::default();
        let opened = async {
            let mut connection = SqliteConnection::connect_with(options).await?;
            let seen = flag.clone();
            // A statement is asked to end once: the ROLLBACK that follows has to run.
            let mut ended = false;
            connection
                .lock_handle()
                .await?
                .set_progress_handler(STEPS, move || {
                    let end = seen.is_raised() && !ended;
                    ended |= end;
                    !end
                });
            Ok(connection)
        };
        let opened: Result<_, sqlx::Error> = opened.await;
        let connection = opened.map_err(|error| of_statement(&error, "", false))?;
        Ok(Self { connection, flag })
    }

    /// Executes a statement with values.
    pub(super) async fn run(&mut self, sql: &str, values: &[Json]) -> Result<u64, DatabaseError> {
        let arguments = arguments(values)?;
        let done = sqlx::query_with(AssertSqlSafe(sql).into_sql_str(), arguments)
            .persistent(false)
            .execute(&mut self.connection)
            .await;
        match done {
            Ok(done) => Ok(done.rows_affected()),
            Err(error) => Err(of_statement(&error, sql, self.flag.is_raised())),
        }
    }
}

/// Whether its count of rows is its own: after any other statement SQLite repeats the last one's.
fn changes_rows(sql: &str) -> bool {
    let first = atoms(sql, Dialect::Sqlite).find(|atom| !atom.is_blank());
    let words = ["insert", "update", "delete", "replace", "with"];
    first.is_some_and(|first| words.iter().any(|word| first.is_word(sql, word)))
}

/// Whole numbers and reals are numbers, lists and maps are JSON text.
fn arguments(values: &[Json]) -> Result<SqliteArguments, DatabaseError> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        let added = match value {
            Json::Null => arguments.add(None::<String>),
            Json::Bool(value) => arguments.add(*value),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => arguments.add(whole),
                (None, Some(real)) => arguments.add(real),
                (None, None) => arguments.add(number.to_string()),
            },
            Json::String(text) => arguments.add(text.clone()),
            Json::Array(_) | Json::Object(_) => arguments.add(value.to_string()),
        };
        added.map_err(|error| DatabaseError::refused(error.to_string()))?;
    }
    Ok(arguments)
}

#[async_trait]
impl Session for SqliteSession {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn begin(&mut self) -> Result<(), DatabaseError> {
        // At once as a writer: a reader that wants to write later may have to fail.
        self.run("BEGIN IMMEDIATE", &[]).await.map(drop)
    }

    async fn commit(&mut self) -> Result<(), DatabaseError> {
        self.run("COMMIT", &[]).await.map(drop)
    }

    async fn rollback(&mut self) -> Result<(), DatabaseError> {
        match self.run("ROLLBACK", &[]).await {
            // Some errors have ended the transaction already.
            Err(DatabaseError::Statement { message, .. }) if message.contains("no transaction") => {
                Ok(())
            }
            other => other.map(drop),
        }
    }

    async fn claim(&mut self, key: &LedgerKey) -> Result<Claim, DatabaseError> {
        ledger::claim(self, key).await
    }

    async fn settle(&mut self, key: &LedgerKey, result: &Json) -> Result<(), DatabaseError> {
        ledger::settle(self, key, result).await
    }

    async fn settled(&mut self, key: &LedgerKey) -> Result<Option<Json>, DatabaseError> {
        ledger::settled(self, key).await
    }

    async fn describe(&mut self, statement: &str) -> Result<Described, DatabaseError> {
        let prepared = self
            .connection
            .prepare(AssertSqlSafe(statement).into_sql_str())
            .await
            .map_err(|error| of_statement(&error, statement, self.flag.is_raised()))?;
        let column = |column: &SqliteColumn| {
            let r#type = column.type_info().name().to_lowercase();
            (column.name().to_owned(), r#type)
        };
        Ok(Described {
            parameters: Vec::new(),
            columns: prepared.columns().iter().map(column).collect(),
        })
    }

    async fn execute(&mut self, statement: &Statement) -> Result<u64, DatabaseError> {
        let touched = self.run(&statement.text, &statement.values).await?;
        Ok(if changes_rows(&statement.text) {
            touched
        } else {
            0
        })
    }

    async fn fetch<'a>(&'a mut self, statement: &Statement) -> Result<Fetched<'a>, DatabaseError> {
        let sql = statement.text.as_str();
        let flag = self.flag.clone();
        let prepared = self
            .connection
            .prepare(AssertSqlSafe(sql).into_sql_str())
            .await
            .map_err(|error| of_statement(&error, sql, flag.is_raised()))?;
        // The table may look otherwise when the same text comes again.
        self.connection
            .clear_cached_statements()
            .await
            .map_err(|error| of_statement(&error, sql, false))?;
        if prepared.columns().is_empty() {
            return self.execute(statement).await.map(Fetched::Touched);
        }
        let arguments = arguments(&statement.values)?;
        let answers = sqlx::query_with(AssertSqlSafe(sql).into_sql_str(), arguments)
            .persistent(false)
            .fetch(&mut self.connection)
            .boxed();
        let rows = Rows::begin(prepared.columns(), answers, sql, flag).await?;
        Ok(Fetched::Rows(Box::new(rows)))
    }

    async fn load(
        &mut self,
        target: &LoadTarget,
        input: LoadInput<'_>,
    ) -> Result<Loaded, DatabaseError> {
        load::load(self, target, input).await
    }

    async fn table(&mut self, name: &str) -> Result<TableShape, DatabaseError> {
        load::describe(self, name).await
    }

    async fn copy_in(&mut self, _: &str, _: ByteSource<'_>) -> Result<u64, DatabaseError> {
        Err(DatabaseError::refused(
            "SQLite has no COPY: use a `copy` task",
        ))
    }

    fn stopper(&self) -> Box<dyn Stopper> {
        Box::new(self.flag.clone())
    }

    fn notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }
}
