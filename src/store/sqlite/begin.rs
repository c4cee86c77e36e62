//! Runs that begin, and what schedules have decided.

use std::collections::{HashMap, HashSet};

use sqlx::sqlite::SqliteConnection;

use crate::model::{RunId, TriggerKind};
use crate::store::change::Change;
use crate::store::words::{micros, skip_word};
use crate::store::{DagVersion, Decided, NewRun, StoreError, StoredRun, precision};

use super::encode::{encode, json};
use super::notice;
use super::order::{Reply, Texts, Trouble, execute};
use super::outside;
use super::row;
use super::statement;

/// A run that another one of the same DAG and scheduled time stands in the way of. `$1`:
/// `[[dag, time, run]]`.
pub(super) const TAKEN_TICK: &str = "
SELECT asked.value ->> 2
FROM jsonb_each($1) AS asked JOIN run
  ON run.dag = asked.value ->> 0 AND run.logical_time = asked.value ->> 1
    AND run.trigger_kind = 'schedule'
WHERE run.id <> asked.value ->> 2
LIMIT 1";

/// `$1`: `[[dag, first, last, count, reason]]`.
pub(super) const ADD_SKIPPED: &str = "
INSERT INTO skipped (dag, first, last, count, reason)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM jsonb_each($1)
WHERE true
ON CONFLICT (dag, first) DO NOTHING";

/// `$1`: `[[hash, dag, tasks, files]]`.
pub(super) const ADD_VERSIONS: &str = "
INSERT INTO version (hash, dag, tasks, files)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each($1)
WHERE true
ON CONFLICT (hash) DO NOTHING";

/// `$1`: `[[dag, memory]]`.
pub(super) const REMEMBER: &str = "
INSERT INTO schedule (dag, memory)
SELECT value ->> 0, value ->> 1 FROM jsonb_each($1)
WHERE true
ON CONFLICT (dag) DO UPDATE SET memory = excluded.memory";

pub(super) async fn begin(
    connection: &mut SqliteConnection,
    savepoints: &mut Texts,
    versions: &[DagVersion],
    runs: &[NewRun],
) -> Result<Reply, Trouble> {
    let known = runs_by_id(connection, runs).await?.into_iter();
    let mut known: HashMap<RunId, NewRun> = known.map(|run| (run.spec.id.clone(), run)).collect();
    let mut missing: Vec<&NewRun> = Vec::new();
    for new in runs {
        let wanted = precision::new_run(new);
        match known.get(&wanted.spec.id) {
            Some(run) if *run == wanted => {}
            Some(run) => return Err(Trouble::Refused(StoreError::Exists(run.spec.id.clone()))),
            None => {
                missing.push(new);
                known.insert(wanted.spec.id.clone(), wanted);
            }
        }
    }
    let put: HashSet<&str> = versions.iter().map(|version| &*version.hash).collect();
    let pinned = missing.iter().map(|new| &*new.spec.version);
    let pinned: Vec<&str> = pinned.filter(|hash| !put.contains(hash)).collect();
    let unknown = sqlx::query(statement::UNKNOWN_VERSION)
        .bind(json(&pinned)?)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(unknown) = unknown {
        let hash = row::get(&unknown, 0)?;
        return Err(Trouble::Refused(StoreError::UnknownVersion(hash)));
    }
    // Nothing refuses the order from here on.
    put_versions(connection, versions).await?;
    if !missing.is_empty() {
        let encoded = encode(&Change::default(), &missing)?;
        let text = savepoints.get(encoded.parts);
        execute(connection, text, encoded).await?;
    }
    Ok(Reply::Done)
}

pub(super) async fn decide(
    connection: &mut SqliteConnection,
    savepoints: &mut Texts,
    decided: &Decided,
) -> Result<Reply, Trouble> {
    let ticks: Vec<(&str, i64, &str)> = decided
        .runs
        .iter()
        .map(|new| &new.spec)
        .filter(|spec| spec.trigger == TriggerKind::Schedule)
        .map(|spec| {
            (
                spec.dag.as_str(),
                micros(spec.logical_time),
                spec.id.as_str(),
            )
        })
        .collect();
    let taken = sqlx::query(TAKEN_TICK)
        .bind(json(&ticks)?)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(taken) = taken {
        let run = row::run_id(row::get(&taken, 0)?)?;
        return Err(Trouble::Refused(StoreError::Exists(run)));
    }
    begin(connection, savepoints, &decided.versions, &decided.runs).await?;
    if !decided.skipped.is_empty() {
        let rows = decided.skipped.iter().map(|skipped| {
            (
                &skipped.dag,
                micros(skipped.first),
                micros(skipped.last),
                skipped.count,
                skip_word(skipped.reason),
            )
        });
        sqlx::query(ADD_SKIPPED)
            .bind(json(&rows.collect::<Vec<_>>())?)
            .execute(&mut *connection)
            .await?;
    }
    if !decided.memories.is_empty() {
        let rows = decided.memories.iter();
        let rows: Vec<_> = rows
            .map(|(dag, memory)| Ok((dag, json(memory)?)))
            .collect::<Result<_, StoreError>>()?;
        sqlx::query(REMEMBER)
            .bind(json(&rows)?)
            .execute(&mut *connection)
            .await?;
    }
    outside::decide(connection, decided).await?;
    notice::add(connection, &decided.notices).await?;
    Ok(Reply::Done)
}

/// All that aren't there, in one statement.
async fn put_versions(
    connection: &mut SqliteConnection,
    versions: &[DagVersion],
) -> Result<(), Trouble> {
    if versions.is_empty() {
        return Ok(());
    }
    let rows = versions.iter().map(|version| {
        Ok((
            &version.hash,
            &version.dag,
            json(&version.tasks)?,
            json(&version.files)?,
        ))
    });
    let rows: Vec<_> = rows.collect::<Result<_, StoreError>>()?;
    sqlx::query(ADD_VERSIONS)
        .bind(json(&rows)?)
        .execute(connection)
        .await?;
    Ok(())
}

/// Those of the runs that are there already, as somebody would create them.
async fn runs_by_id(
    connection: &mut SqliteConnection,
    runs: &[NewRun],
) -> Result<Vec<NewRun>, Trouble> {
    let ids: Vec<&RunId> = runs.iter().map(|new| &new.spec.id).collect();
    let rows = sqlx::query(statement::RUNS_BY_ID)
        .bind(json(&ids)?)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|found| {
            let StoredRun { spec, owner, .. } = row::bare_run(found)?;
            Ok(NewRun { spec, owner })
        })
        .collect()
}
