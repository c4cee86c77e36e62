//! What has happened, counted: its SQL. The counting itself is done by triggers of the schema.

use sqlx::sqlite::SqliteRow;

use crate::model::TaskIndex;
use crate::store::StoreError;
use crate::store::tally::{AtWork, BOUNDS, Counted, Stage, Tally};

use super::row;

/// A few rows for each DAG, however many runs it has had.
pub(super) const TALLIES: &str = "
SELECT dag, what, word, bound, count, micros FROM tally ORDER BY dag, what, word, bound";

/// Only runs that have not ended are looked at: the order of another index isn't worth the past.
pub(super) const AT_WORK: &str = "
SELECT run.version, task_run.task, task_run.state, count(*)
FROM run INDEXED BY run_unfinished CROSS JOIN task_run ON task_run.run = run.id
WHERE run.finished IS NULL AND task_run.state IN ('ready', 'retry_wait', 'running')
GROUP BY run.version, task_run.task, task_run.state
ORDER BY run.version, task_run.task, task_run.state";

/// A row of [`TALLIES`].
pub(super) fn tally(found: &SqliteRow) -> Result<Tally, StoreError> {
    let word: &str = row::get(found, 1)?;
    let mut known = Counted::ALL.iter();
    let what = known.find(|(_, known)| *known == word);
    let bound: i64 = row::get(found, 3)?;
    Ok(Tally {
        dag: row::dag_id(row::get(found, 0)?)?,
        what: what
            .ok_or_else(|| StoreError::Corrupt(format!("nothing is counted as `{word}`")))?
            .0,
        word: row::get(found, 2)?,
        bound: BOUNDS.into_iter().find(|own| bound.cast_unsigned() == *own),
        count: row::get::<i64>(found, 4)?.unsigned_abs(),
        micros: row::get::<i64>(found, 5)?.unsigned_abs(),
    })
}

/// A row of [`AT_WORK`].
pub(super) fn at_work(found: &SqliteRow) -> Result<AtWork, StoreError> {
    let word: &str = row::get(found, 2)?;
    let mut known = Stage::ALL.iter();
    let stage = known.find(|(_, known)| *known == word);
    Ok(AtWork {
        version: row::get(found, 0)?,
        task: TaskIndex(row::get(found, 1)?),
        stage: stage
            .ok_or_else(|| StoreError::Corrupt(format!("a task at work is `{word}`")))?
            .0,
        count: row::get::<i64>(found, 3)?.unsigned_abs(),
    })
}
