//! What is of the past: its SQL.

use sqlx::Executor;
use sqlx::sqlite::SqliteConnection;

use crate::model::RunId;
use crate::store::words::micros;
use crate::store::{Past, StoreError};

use super::encode::json;
use super::order::{Reply, Trouble};
use super::row;

/// Each step seeks the next name in the index of DAGs.
pub(super) const DAGS: &str = "
WITH RECURSIVE found (dag) AS (
  SELECT min(dag) FROM run
  UNION ALL
  SELECT (SELECT min(dag) FROM run WHERE dag > found.dag) FROM found WHERE found.dag IS NOT NULL
)
SELECT dag FROM found WHERE dag IS NOT NULL";

/// `$1`: DAG, `$2`: how many of the newest are kept, less one, or NULL; `$3`: ended before, or NULL;
/// `$4`: no id from here on is that old; `$5`: only ids above; `$6`: most.
///
/// What isn't old stands beyond both bounds, and is never read; what is comes in the order of its
/// index, so that a page of it costs as much as a page.
pub(super) const PAST: &str = "
WITH bound (kept, success) AS MATERIALIZED (
  SELECT
    CASE WHEN $2 IS NULL THEN '' ELSE coalesce(
      (SELECT id FROM run WHERE dag = $1 ORDER BY id DESC LIMIT 1 OFFSET $2), '') END,
    (SELECT id FROM run WHERE dag = $1 AND state = 'success' ORDER BY id DESC LIMIT 1)
)
SELECT id
FROM run
WHERE dag = $1 AND id < max((SELECT kept FROM bound), $4) AND id > $5
  AND finished IS NOT NULL AND id IS NOT (SELECT success FROM bound)
  AND (id < (SELECT kept FROM bound) OR finished < $3)
ORDER BY id
LIMIT $6";

/// `$1`: `[id]`.
pub(super) const REMOVABLE: &str = "
SELECT run.id
FROM json_each($1) AS asked CROSS JOIN run ON run.id = asked.value
WHERE run.finished IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM command WHERE command.run = run.id)
  AND NOT EXISTS (SELECT 1 FROM notice WHERE notice.run = run.id)";

/// `$1`: `[id]`.
pub(super) const PINNED: &str =
    "SELECT version FROM run WHERE id IN (SELECT value FROM json_each($1))";

/// Those that no run is pinned to any more. `$1`: `[hash]`.
pub(super) const REMOVE_VERSIONS: &str = "
DELETE FROM version
WHERE hash IN (SELECT value FROM json_each($1))
  AND NOT EXISTS (SELECT 1 FROM run WHERE run.version = version.hash)";

/// Children first. `$1`: `[id]`.
pub(super) const REMOVE: [&str; 5] = [
    "DELETE FROM attempt WHERE run IN (SELECT value FROM json_each($1))",
    "DELETE FROM item WHERE run IN (SELECT value FROM json_each($1))",
    "DELETE FROM task_run WHERE run IN (SELECT value FROM json_each($1))",
    "DELETE FROM run WHERE id IN (SELECT value FROM json_each($1))",
    "INSERT INTO removed (run) SELECT value FROM json_each($1) WHERE true ON CONFLICT DO NOTHING",
];

pub(super) const REMOVED: &str = "SELECT run FROM removed ORDER BY run LIMIT $1";

pub(super) const FORGET: &str =
    "DELETE FROM removed WHERE run IN (SELECT value FROM json_each($1))";

/// `$1`: DAG, `$2`: how many of the newest are kept, less one, or NULL; `$3`: before, or NULL.
pub(super) const FORGET_SKIPPED: &str = "
DELETE FROM skipped WHERE dag = $1 AND first IN (
  SELECT first FROM skipped
  WHERE dag = $1 AND (last < $3 OR first < CASE WHEN $2 IS NOT NULL THEN
    (SELECT first FROM skipped WHERE dag = $1 ORDER BY first DESC LIMIT 1 OFFSET $2) END)
  ORDER BY first LIMIT 1000)";

pub(super) async fn forget_skipped(
    connection: &mut SqliteConnection,
    past: &Past,
) -> Result<Reply, Trouble> {
    let done = sqlx::query(FORGET_SKIPPED)
        .bind(past.dag.as_str())
        .bind(past.beyond.map(|count| i64::from(count) - 1))
        .bind(past.ended_before.map(micros))
        .execute(connection)
        .await?;
    Ok(Reply::Forgotten(done.rows_affected()))
}

pub(super) async fn remove(
    connection: &mut SqliteConnection,
    runs: &[RunId],
) -> Result<Reply, Trouble> {
    let rows = sqlx::query(REMOVABLE)
        .bind(json(&runs)?)
        .fetch_all(&mut *connection)
        .await?;
    let gone: Vec<RunId> = rows
        .iter()
        .map(|found| row::run_id(row::get(found, 0)?))
        .collect::<Result<_, StoreError>>()?;
    if gone.is_empty() {
        return Ok(Reply::Removed(gone));
    }
    let pinned = sqlx::query(PINNED)
        .bind(json(&gone)?)
        .fetch_all(&mut *connection)
        .await?;
    let pinned: Vec<&str> = pinned
        .iter()
        .map(|found| row::get(found, 0))
        .collect::<Result<_, StoreError>>()?;
    for statement in REMOVE {
        sqlx::query(statement)
            .bind(json(&gone)?)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(REMOVE_VERSIONS)
        .bind(json(&pinned)?)
        .execute(&mut *connection)
        .await?;
    Ok(Reply::Removed(gone))
}

pub(super) async fn forget(
    connection: &mut SqliteConnection,
    runs: &[RunId],
) -> Result<Reply, Trouble> {
    sqlx::query(FORGET)
        .bind(json(&runs)?)
        .execute(connection)
        .await?;
    Ok(Reply::Done)
}

/// In a connection of its own, outside of any transaction.
pub(super) async fn vacuum(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let before = bytes(connection).await?;
    connection.execute("VACUUM").await?;
    connection
        .execute("PRAGMA wal_checkpoint(TRUNCATE)")
        .await?;
    Ok(before.saturating_sub(bytes(connection).await?))
}

async fn bytes(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let row = connection
        .fetch_one("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        .await?;
    let bytes: i64 = row::get(&row, 0).map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    Ok(bytes.unsigned_abs())
}
