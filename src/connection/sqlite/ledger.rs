//! The ledger of loads: a row a load, committed together with its data.

use serde_json::{Value as Json, json};
use sqlx::Row as _;

use super::error::of_statement;
use super::session::SqliteSession;
use crate::connection::{Claim, DatabaseError, LedgerKey};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS _runner_load_ledger (
    run TEXT NOT NULL,
    task TEXT NOT NULL,
    item INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    result TEXT,
    committed_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (run, task, item, generation)
) WITHOUT ROWID, STRICT";
const INSERT: &str = "INSERT INTO _runner_load_ledger (run, task, item, generation) \
     VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE _runner_load_ledger SET result = $5 \
     WHERE run = $1 AND task = $2 AND item = $3 AND generation = $4";
const SELECT: &str = "SELECT result FROM _runner_load_ledger \
     WHERE run = $1 AND task = $2 AND item = $3 AND generation = $4";
const FORGET: &str =
    "DELETE FROM _runner_load_ledger WHERE run IN (SELECT value FROM json_each($1))";
const EXISTS: &str = "SELECT 1 FROM sqlite_schema WHERE name = '_runner_load_ledger'";

fn values(key: &LedgerKey) -> Vec<Json> {
    vec![
        json!(key.run),
        json!(key.task),
        json!(key.item),
        json!(key.generation),
    ]
}

/// The transaction is the only writer, so that an earlier attempt has ended when this is asked.
pub(super) async fn claim(
    session: &mut SqliteSession,
    key: &LedgerKey,
) -> Result<Claim, DatabaseError> {
    session.run(CREATE, &[]).await?;
    if session.run(INSERT, &values(key)).await? == 1 {
        return Ok(Claim::New);
    }
    Ok(Claim::Done(read(session, key).await?.unwrap_or_default()))
}

pub(super) async fn settle(
    session: &mut SqliteSession,
    key: &LedgerKey,
    result: &Json,
) -> Result<(), DatabaseError> {
    let mut values = values(key);
    values.push(Json::String(result.to_string()));
    if session.run(UPDATE, &values).await? == 0 {
        return Err(DatabaseError::refused(
            "the load has no row in `_runner_load_ledger`: it must be claimed first",
        ));
    }
    Ok(())
}

pub(super) async fn settled(
    session: &mut SqliteSession,
    key: &LedgerKey,
) -> Result<Option<Json>, DatabaseError> {
    let exists = sqlx::query(EXISTS)
        .fetch_optional(&mut session.connection)
        .await
        .map_err(|error| of_statement(&error, EXISTS, false))?;
    if exists.is_none() {
        return Ok(None);
    }
    read(session, key).await
}

/// Forgets the loads of runs.
pub(super) async fn forget(
    session: &mut SqliteSession,
    runs: &[String],
) -> Result<u64, DatabaseError> {
    let failed = |error: sqlx::Error| of_statement(&error, FORGET, false);
    let exists = sqlx::query(EXISTS)
        .fetch_optional(&mut session.connection)
        .await
        .map_err(failed)?;
    if exists.is_none() {
        return Ok(0);
    }
    let done = sqlx::query(FORGET)
        .bind(json!(runs).to_string())
        .execute(&mut session.connection)
        .await
        .map_err(failed)?;
    Ok(done.rows_affected())
}

async fn read(session: &mut SqliteSession, key: &LedgerKey) -> Result<Option<Json>, DatabaseError> {
    let row = sqlx::query(SELECT)
        .bind(key.run.as_str())
        .bind(key.task.as_str())
        .bind(key.item)
        .bind(key.generation)
        .fetch_optional(&mut session.connection)
        .await
        .map_err(|error| of_statement(&error, SELECT, false))?;
    let Some(row) = row else {
        return Ok(None);
    };
    let text: Option<String> = row
        .try_get(0)
        .map_err(|error| of_statement(&error, SELECT, false))?;
    let result = text.map(|text| serde_json::from_str(&text)).transpose();
    result
        .map(|result| Some(result.unwrap_or_default()))
        .map_err(|error| DatabaseError::refused(format!("the ledger can't be read: {error}")))
}
