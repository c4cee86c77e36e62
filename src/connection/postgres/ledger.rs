//! The ledger of loads: a row a load, committed together with its data.
//!
//! It has a schema of its own, so that it never stands among the tables of the user.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value as Json;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Row as _};

use super::error::{NO_TABLE, NOT_ALLOWED, code, of_statement, place_of};
use super::session::PostgresSession;
use crate::connection::{Claim, DatabaseError, LedgerKey};

/// What all sessions of a database know of its ledger.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    /// The tables that exist.
    exist: Arc<Mutex<BTreeSet<&'static str>>>,
}

/// A table that is made where it is missing.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) table: &'static str,
    /// For the message that it can't be made.
    pub(super) what: &'static str,
    pub(super) use_of_it: &'static str,
    pub(super) create: &'static str,
}

/// Any number: everybody who makes the ledger takes this lock.
const LOCK: i64 = 0x7275_6e6e_6572;

const SCHEMA: &str = "
DO $$ BEGIN
    IF to_regnamespace('runner') IS NULL THEN CREATE SCHEMA runner; END IF;
END $$;
";

const LOADS: Made = Made {
    table: "runner.load_ledger",
    what: "the ledger of loads",
    use_of_it: "loads into this database are done exactly once with the help of the table \
        `runner.load_ledger`",
    create: "
CREATE TABLE IF NOT EXISTS runner.load_ledger (
    run text NOT NULL,
    task text NOT NULL,
    item bigint NOT NULL,
    generation bigint NOT NULL,
    result json,
    committed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run, task, item, generation)
);
COMMENT ON TABLE runner.load_ledger IS
    'Loads that were committed, so that none is done twice; rows older than your oldest run that may be retried can be deleted';
",
};

const INSERT: &str = "INSERT INTO runner.load_ledger (run, task, item, generation) \
     VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE runner.load_ledger SET result = $5::text::json \
     WHERE run = $1 AND task = $2 AND item = $3 AND generation = $4";
const SELECT_LOCKED: &str = "SELECT result::text FROM runner.load_ledger \
     WHERE run = $1 AND task = $2 AND item = $3 AND generation = $4 FOR UPDATE";
const SELECT: &str = "SELECT result::text FROM runner.load_ledger \
     WHERE run = $1 AND task = $2 AND item = $3 AND generation = $4";

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn query<'q>(sql: &'static str, key: &LedgerKey) -> Query<'q> {
    sqlx::query(sql)
        .persistent(false)
        .bind(key.run.clone())
        .bind(key.task.clone())
        .bind(key.item)
        .bind(i64::from(key.generation))
}

impl Ledger {
    pub(super) async fn claim(
        &self,
        session: &mut PostgresSession,
        key: &LedgerKey,
    ) -> Result<Claim, DatabaseError> {
        self.ensure(session, &LOADS).await?;
        let inserted = query(INSERT, key).execute(&mut session.connection).await;
        let inserted = match inserted {
            Ok(done) => done.rows_affected(),
            Err(error) => return Err(self.failed(session, error, INSERT)),
        };
        if inserted == 1 {
            return Ok(Claim::New);
        }
        // Locked: of two attempts that add to the same row one waits for the other.
        let result = self.read(session, key, SELECT_LOCKED).await?;
        Ok(Claim::Done(result.unwrap_or_default()))
    }

    /// Makes a table where it is missing. In a transaction of its own: others must not wait for
    /// this load to end.
    pub(super) async fn ensure(
        &self,
        session: &PostgresSession,
        made: &Made,
    ) -> Result<(), DatabaseError> {
        if !self.exist().contains(made.table) {
            create(&session.options, made).await?;
            self.exist().insert(made.table);
        }
        Ok(())
    }

    fn exist(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.exist.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn settle(
        &self,
        session: &mut PostgresSession,
        key: &LedgerKey,
        result: &Json,
    ) -> Result<(), DatabaseError> {
        let updated = query(UPDATE, key)
            .bind(result.to_string())
            .execute(&mut session.connection)
            .await
            .map_err(|error| self.failed(session, error, UPDATE))?;
        if updated.rows_affected() == 0 {
            return Err(DatabaseError::refused(
                "the load has no row in `runner.load_ledger`: it must be claimed first",
            ));
        }
        Ok(())
    }

    pub(super) async fn settled(
        &self,
        session: &mut PostgresSession,
        key: &LedgerKey,
    ) -> Result<Option<Json>, DatabaseError> {
        match self.read(session, key, SELECT).await {
            Err(error) if code(&error).is_some_and(|code| NO_TABLE.contains(&code)) => Ok(None),
            other => other,
        }
    }

    async fn read(
        &self,
        session: &mut PostgresSession,
        key: &LedgerKey,
        sql: &'static str,
    ) -> Result<Option<Json>, DatabaseError> {
        let row = query(sql, key)
            .fetch_optional(&mut session.connection)
            .await
            .map_err(|error| self.failed(session, error, sql))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let text: Option<String> = row
            .try_get(0)
            .map_err(|error| self.failed(session, error, sql))?;
        let parsed = text.map(|text| serde_json::from_str(&text)).transpose();
        parsed
            .map(|result| Some(result.unwrap_or_default()))
            .map_err(|error| DatabaseError::refused(format!("the ledger can't be read: {error}")))
    }

    /// Somebody may have dropped the schema since it was made.
    pub(super) fn failed(
        &self,
        session: &mut PostgresSession,
        error: sqlx::Error,
        sql: &str,
    ) -> DatabaseError {
        let mut error = session.failed(error, sql, |offset| offset);
        if code(&error).is_some_and(|code| NO_TABLE.contains(&code)) {
            self.exist().clear();
            if let DatabaseError::Statement {
                retryable, place, ..
            } = &mut error
            {
                *retryable = true;
                *place = None;
            }
        }
        error
    }
}

/// Makes a table where it is missing; any number of processes may do so at once.
async fn create(options: &PgConnectOptions, made: &Made) -> Result<(), DatabaseError> {
    let Made {
        table,
        what,
        use_of_it,
        create,
    } = made;
    let done = async {
        let mut connection = PgConnection::connect_with(options).await?;
        let found = format!("SELECT to_regclass('{table}') IS NOT NULL AS found");
        let row = sqlx::raw_sql(sqlx::AssertSqlSafe(found))
            .fetch_one(&mut connection)
            .await?;
        let found: bool = row.try_get(0)?;
        if !found {
            // `IF NOT EXISTS` alone fails when two do it at the same moment.
            let statements = format!(
                "SET client_min_messages = warning; BEGIN; SELECT pg_advisory_xact_lock({LOCK}); {SCHEMA} {create} COMMIT;"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(statements))
                .execute(&mut connection)
                .await?;
        }
        connection.close().await
    };
    let done: Result<(), sqlx::Error> = done.await;
    let Err(error) = done else {
        return Ok(());
    };
    let error = of_statement(error, "", |offset| offset, &place_of(options));
    match error {
        DatabaseError::Statement { message, code, .. } if code.as_deref() == Some(NOT_ALLOWED) => {
            let user = options.get_username();
            Err(DatabaseError::Statement {
                message: format!("{what} can't be made: {message}"),
                code,
                detail: Some((*use_of_it).into()),
                hint: Some(
                    format!(
                        "let an administrator execute `CREATE SCHEMA runner AUTHORIZATION \"{}\"`",
                        user.replace('"', "\"\"")
                    )
                    .into(),
                ),
                context: None,
                place: None,
                retryable: false,
            })
        }
        other => Err(other),
    }
}
