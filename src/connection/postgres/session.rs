//! One connection to the server, used by one attempt.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::Value as Json;
use sqlx::postgres::{PgArguments, PgColumn, PgConnectOptions, PgConnection, PgStatement};
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, Either, Executor as _, Row as _, SqlSafeStr as _,
    Statement as _, TypeInfo as _,
};
use tokio::sync::OwnedSemaphorePermit;

use super::error::{CANCELLED, code, of_connection, of_statement, place_of};
use super::ledger::Ledger;
use super::notices::Notices;
use super::rows::{self, Rows};
use super::stopper::{Backend, BackendStopper, StopFlag};
use super::{load, values};
use crate::connection::{
    ByteSource, Claim, DatabaseError, Described, Dialect, Fetched, HeldPartition, LedgerKey,
    LoadInput, LoadTarget, Loaded, Notice, Session, Statement, Stopper, StreamKey, StreamMove,
    TableShape,
};
use crate::data::Columns;
use crate::sqltext::Rewritten;

/// A session. Its transaction is over as soon as a statement fails: only `rollback` helps then.
pub(super) struct PostgresSession {
    pub(super) connection: PgConnection,
    pub(super) options: PgConnectOptions,
    /// Where the server is, for errors.
    place: Arc<str>,
    backend: Backend,
    flag: StopFlag,
    pub(super) notices: Notices,
    ledger: Ledger,
    /// A statement of the transaction has failed, so that COMMIT would roll back.
    pub(super) broken: bool,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl PostgresSession {
    /// Connects.
    pub(super) async fn open(
        options: PgConnectOptions,
        ledger: Ledger,
        permit: Arc<OwnedSemaphorePermit>,
    ) -> Result<Self, sqlx::Error> {
        let notices = Notices::new();
        let (connection, backend) = notices.during(connect(&options)).await?;
        notices.take();
        Ok(Self {
            place: place_of(&options).into(),
            connection,
            options,
            backend,
            flag: StopFlag::default(),
            notices,
            ledger,
            broken: false,
            _permit: permit,
        })
    }

    /// Executes a text without values, by the simple protocol.
    pub(super) async fn simple(&mut self, sql: &str) -> Result<u64, DatabaseError> {
        let query = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection);
        match self.notices.during(query).await {
            Ok(done) => Ok(done.rows_affected()),
            Err(error) => Err(self.failed(error, sql, |offset| offset)),
        }
    }

    /// Explains an error, and remembers it for the transaction.
    pub(super) fn failed(
        &mut self,
        error: sqlx::Error,
        sql: &str,
        origin: impl FnOnce(usize) -> usize,
    ) -> DatabaseError {
        self.broken = true;
        explain(&self.flag, &self.place, error, sql, origin)
    }

    /// Asks the server what a statement needs and gives.
    async fn describe(&mut self, sql: &str) -> Result<PgStatement, DatabaseError> {
        let connection = &mut self.connection;
        let described = self
            .notices
            .during(async {
                let described = connection
                    .prepare(AssertSqlSafe(sql).into_sql_str())
                    .await?;
                // The table may look otherwise when the same text comes again.
                connection.clear_cached_statements().await?;
                Ok(described)
            })
            .await;
        described.map_err(|error| self.failed(error, sql, |offset| offset))
    }

    /// The types of a statement's parameters, by name.
    async fn parameter_types(
        &mut self,
        described: &PgStatement,
    ) -> Result<Vec<String>, DatabaseError> {
        let types = match described.parameters() {
            Some(Either::Left(types)) => types,
            _ => &[],
        };
        let names = values::type_names(&mut self.connection, types);
        let names = self.notices.during(names).await;
        names.map_err(|error| of_connection(&error, &self.place))
    }

    /// The statement as it is sent, and what to bind.
    async fn bound(
        &mut self,
        statement: &Statement,
        described: &PgStatement,
    ) -> Result<(Rewritten, PgArguments), DatabaseError> {
        let names = self.parameter_types(described).await?;
        let arguments = values::arguments(&statement.values, &names)?;
        Ok((values::with_casts(&statement.text, &names)?, arguments))
    }
}

/// A statement on its way to the server, and the ways back to the caller's text.
struct Sent {
    cast: Option<Rewritten>,
    wrapped: Option<Rewritten>,
    plain: String,
}

impl Sent {
    fn plain(text: &str) -> Self {
        Self {
            cast: None,
            wrapped: None,
            plain: text.to_owned(),
        }
    }

    fn new(cast: Rewritten, columns: &[PgColumn]) -> Result<Self, DatabaseError> {
        let wrapped = if rows::are_texts(columns) {
            None
        } else {
            let wrapped = rows::as_texts(cast.text(), columns.len());
            Some(wrapped.ok_or_else(|| {
                DatabaseError::refused(
                    "rows of such a statement can't be read when it has parameters: use a SELECT",
                )
            })?)
        };
        Ok(Self {
            cast: Some(cast),
            wrapped,
            plain: String::new(),
        })
    }

    fn text(&self) -> &str {
        let rewritten = self.wrapped.as_ref().or(self.cast.as_ref());
        rewritten.map_or(&self.plain, Rewritten::text)
    }

    fn origin(&self, offset: usize) -> usize {
        [&self.wrapped, &self.cast]
            .into_iter()
            .flatten()
            .fold(offset, |offset, rewritten| rewritten.origin(offset))
    }
}

async fn connect(options: &PgConnectOptions) -> Result<(PgConnection, Backend), sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    let version = connection.server_version_num().unwrap_or_default();
    // Ends a statement whose client is gone, soon instead of at its next row.
    let check = if version >= 140_000 {
        "SET client_connection_check_interval = '5s'; "
    } else {
        ""
    };
    let row = sqlx::raw_sql(AssertSqlSafe(format!(
        "{check}SELECT pg_backend_pid()::text"
    )))
    .fetch_one(&mut connection)
    .await?;
    let process: String = row.try_get_unchecked(0)?;
    let backend = Backend {
        process: process.parse().unwrap_or_default(),
    };
    Ok((connection, backend))
}

fn explain(
    flag: &StopFlag,
    place: &str,
    error: sqlx::Error,
    sql: &str,
    origin: impl FnOnce(usize) -> usize,
) -> DatabaseError {
    let error = of_statement(error, sql, origin, place);
    if code(&error) == Some(CANCELLED) && flag.is_raised() {
        return DatabaseError::Stopped;
    }
    error
}

#[async_trait]
impl Session for PostgresSession {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn begin(&mut self) -> Result<(), DatabaseError> {
        self.broken = false;
        self.simple("BEGIN").await.map(drop)
    }

    async fn commit(&mut self) -> Result<(), DatabaseError> {
        if self.broken {
            return Err(DatabaseError::refused(
                "a statement of the transaction has failed: there is nothing to commit",
            ));
        }
        match self.simple("COMMIT").await {
            Ok(_) => Ok(()),
            Err(DatabaseError::Connection { message }) => {
                Err(DatabaseError::UnknownCommit { message })
            }
            Err(error) => Err(error),
        }
    }

    async fn rollback(&mut self) -> Result<(), DatabaseError> {
        let done = self.simple("ROLLBACK").await.map(drop);
        self.broken = done.is_err();
        done
    }

    async fn undo(&mut self) -> Result<(), DatabaseError> {
        self.simple("ROLLBACK TO SAVEPOINT runner_mark; RELEASE SAVEPOINT runner_mark")
            .await?;
        self.broken = false;
        Ok(())
    }

    async fn claim(&mut self, key: &LedgerKey) -> Result<Claim, DatabaseError> {
        let ledger = self.ledger.clone();
        ledger.claim(self, key).await
    }

    async fn settle(&mut self, key: &LedgerKey, result: &Json) -> Result<(), DatabaseError> {
        let ledger = self.ledger.clone();
        ledger.settle(self, key, result).await
    }

    async fn settled(&mut self, key: &LedgerKey) -> Result<Option<Json>, DatabaseError> {
        let ledger = self.ledger.clone();
        ledger.settled(self, key).await
    }

    async fn stream_positions(
        &mut self,
        stream: &StreamKey,
    ) -> Result<Vec<(i32, i64)>, DatabaseError> {
        let ledger = self.ledger.clone();
        ledger.positions(self, stream).await
    }

    async fn take_over(
        &mut self,
        stream: &StreamKey,
        starts: &[(i32, i64)],
    ) -> Result<Vec<HeldPartition>, DatabaseError> {
        let ledger = self.ledger.clone();
        ledger.take_over(self, stream, starts).await
    }

    async fn advance(
        &mut self,
        stream: &StreamKey,
        moves: &[StreamMove],
    ) -> Result<bool, DatabaseError> {
        let ledger = self.ledger.clone();
        ledger.advance(self, stream, moves).await
    }

    async fn describe(&mut self, statement: &str) -> Result<Described, DatabaseError> {
        let described = Self::describe(self, statement).await?;
        let names = self.parameter_types(&described).await?;
        let column = |column: &PgColumn| {
            let r#type = column.type_info().name().to_lowercase();
            (column.name().to_owned(), r#type)
        };
        Ok(Described {
            parameters: names,
            columns: described.columns().iter().map(column).collect(),
        })
    }

    async fn execute(&mut self, statement: &Statement) -> Result<u64, DatabaseError> {
        if statement.values.is_empty() {
            return self.simple(&statement.text).await;
        }
        let described = self.describe(&statement.text).await?;
        let (sent, arguments) = self.bound(statement, &described).await?;
        let query = sqlx::query_with(AssertSqlSafe(sent.text()).into_sql_str(), arguments)
            .persistent(false)
            .execute(&mut self.connection);
        match self.notices.during(query).await {
            Ok(done) => Ok(done.rows_affected()),
            Err(error) => Err(self.failed(error, sent.text(), |offset| sent.origin(offset))),
        }
    }

    async fn fetch<'a>(&'a mut self, statement: &Statement) -> Result<Fetched<'a>, DatabaseError> {
        if statement.values.is_empty() && !rows::may_come(&statement.text) {
            return self.simple(&statement.text).await.map(Fetched::Touched);
        }
        let described = self.describe(&statement.text).await?;
        if described.columns().is_empty() {
            return self.execute(statement).await.map(Fetched::Touched);
        }
        let columns: Columns = described.columns().iter().map(rows::column).collect();
        let (sent, arguments) = if statement.values.is_empty() {
            (Sent::plain(&statement.text), None)
        } else {
            let (cast, arguments) = self.bound(statement, &described).await?;
            (Sent::new(cast, described.columns())?, Some(arguments))
        };
        let sql = AssertSqlSafe(sent.text());
        let connection = &mut self.connection;
        let answers = match arguments {
            None => sqlx::raw_sql(sql).fetch_many(connection),
            Some(arguments) => sqlx::query_with(sql.into_sql_str(), arguments)
                .persistent(false)
                .fetch(connection)
                .map_ok(Either::Right)
                .boxed(),
        };
        let (flag, place) = (self.flag.clone(), Arc::clone(&self.place));
        let explain = Box::new(move |error| {
            explain(&flag, &place, error, sent.text(), |offset| {
                sent.origin(offset)
            })
        });
        let notices = self.notices.clone();
        let mut rows = Rows::new(columns, answers, notices, explain, &mut self.broken);
        // A statement that fails at once is an error here, not in the middle of a stream.
        rows.begin().await?;
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

    async fn copy_in(
        &mut self,
        statement: &str,
        bytes: ByteSource<'_>,
    ) -> Result<u64, DatabaseError> {
        load::copy_in(self, statement, bytes).await
    }

    fn stopper(&self) -> Box<dyn Stopper> {
        Box::new(BackendStopper {
            options: self.options.clone(),
            backend: self.backend,
            flag: self.flag.clone(),
        })
    }

    fn notices(&mut self) -> Vec<Notice> {
        self.notices.take()
    }
}
