//! Rows as the values of the model.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::model::{
    AttemptResult, Budget, DagId, DataInterval, Json, RunId, RunSpec, RunState, TaskIndex,
    TaskRunId, TaskRunSnapshot, TaskState, Timestamp, TriggerKind,
};
use crate::store::words::{attempt_outcome, moment, run_state, skip_reason, task_state, trigger};
use crate::store::{
    AttemptRow, Command, DagVersion, Owner, RunRow, ScheduleRow, SkippedTicks, StoreError,
    StoredRun, TaskRunRow, TaskTimes,
};

/// The number of columns of `run_columns!`.
const RUN_COLUMNS: usize = 17;
/// The number of columns of `result_columns!`.
const RESULT_COLUMNS: usize = 5;

/// A column's value. The schema says what type it has.
pub(super) fn get<'r, T>(row: &'r SqliteRow, column: usize) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite>,
{
    row.try_get_unchecked(column)
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn number<N: TryFrom<i64>>(value: i64, what: &str) -> Result<N, StoreError> {
    N::try_from(value)
        .map_err(|_| StoreError::Corrupt(format!("`{value}` can't be the {what} of a task run")))
}

pub(super) fn text(row: &SqliteRow, column: usize) -> Result<Json, StoreError> {
    Ok(Json(get::<&str>(row, column)?.into()))
}

pub(super) fn time(row: &SqliteRow, column: usize) -> Result<Timestamp, StoreError> {
    moment_of(get(row, column)?)
}

/// A row of `COMMANDS`.
pub(super) fn command(row: &SqliteRow) -> Result<Command, StoreError> {
    Ok(Command {
        run: run_id(get(row, 0)?)?,
        kind: parse(get(row, 1)?)?,
        at: time(row, 2)?,
    })
}

/// A row of `SCHEDULES`.
pub(super) fn schedule(row: &SqliteRow) -> Result<ScheduleRow, StoreError> {
    Ok(ScheduleRow {
        dag: dag_id(get(row, 0)?)?,
        paused: get(row, 1)?,
        memory: parse(get(row, 2)?)?,
    })
}

/// A row of `SKIPPED`.
pub(super) fn skipped(row: &SqliteRow) -> Result<SkippedTicks, StoreError> {
    Ok(SkippedTicks {
        dag: dag_id(get(row, 0)?)?,
        first: time(row, 1)?,
        last: time(row, 2)?,
        count: get::<i64>(row, 3)?.unsigned_abs(),
        reason: skip_reason(get(row, 4)?).ok_or_else(|| {
            StoreError::Corrupt("a tick is skipped for no known reason".to_owned())
        })?,
    })
}

/// A row of `LAST_ENDS`; `None` when none has ended.
pub(super) fn last_end(row: &SqliteRow) -> Result<Option<(DagId, RunState)>, StoreError> {
    let dag = dag_id(get(row, 0)?)?;
    let Some(word) = get::<Option<&str>>(row, 1)? else {
        return Ok(None);
    };
    let state = run_state(word)
        .ok_or_else(|| StoreError::Corrupt(format!("a run of `{dag}` is `{word}`")))?;
    Ok(Some((dag, state)))
}

pub(super) fn task_times(row: &SqliteRow) -> Result<TaskTimes, StoreError> {
    let dag = dag_id(get(row, 0)?)?;
    let times = get::<Option<&str>>(row, 2)?.unwrap_or_default();
    let parts = times.split(',').filter(|part| !part.is_empty());
    let attempts = parts.map(|part| {
        let (task, micros) = part.split_once(' ')?;
        let took = Duration::from_micros(micros.parse().ok()?);
        Some((TaskIndex(task.parse().ok()?), took))
    });
    let attempts = attempts.collect::<Option<Vec<_>>>();
    let wrong = || StoreError::Corrupt(format!("the tasks of a run of `{dag}` took `{times}`"));
    Ok(TaskTimes {
        attempts: attempts.ok_or_else(wrong)?,
        version: get(row, 1)?,
        dag,
    })
}

fn time_or_null(row: &SqliteRow, column: usize) -> Result<Option<Timestamp>, StoreError> {
    get::<Option<i64>>(row, column)?.map(moment_of).transpose()
}

fn moment_of(micros: i64) -> Result<Timestamp, StoreError> {
    moment(micros).ok_or_else(|| StoreError::Corrupt(format!("`{micros}` is not a time")))
}

pub(super) fn run_id(text: &str) -> Result<RunId, StoreError> {
    RunId::new(text).map_err(|error| StoreError::Corrupt(format!("run `{text}`: {error}")))
}

pub(super) fn dag_id(text: &str) -> Result<DagId, StoreError> {
    DagId::new(text).map_err(|error| StoreError::Corrupt(format!("DAG `{text}`: {error}")))
}

/// The state, owner and times of a run, and its specification.
struct Run {
    spec: RunSpec,
    state: RunState,
    owner: Owner,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
}

fn run(row: &SqliteRow) -> Result<Run, StoreError> {
    let id = run_id(get(row, 0)?)?;
    let state = get(row, 3)?;
    let only = get::<Option<&str>>(row, 13)?;
    Ok(Run {
        state: run_state(state)
            .ok_or_else(|| StoreError::Corrupt(format!("run `{id}` is `{state}`")))?,
        owner: Owner(get(row, 4)?),
        started: time_or_null(row, 15)?,
        finished: time_or_null(row, 16)?,
        spec: RunSpec {
            dag: dag_id(get(row, 1)?)?,
            version: get(row, 2)?,
            params: text(row, 5)?,
            interval: DataInterval {
                start: time(row, 6)?,
                end: time(row, 7)?,
            },
            logical_time: time(row, 8)?,
            trigger: trigger_of(&id, get(row, 9)?, get(row, 10)?)?,
            seed: get::<i64>(row, 11)?.cast_unsigned(),
            priority: get(row, 12)?,
            only: only.map(parse).transpose()?,
            created: time(row, 14)?,
            id,
        },
    })
}

fn trigger_of(id: &RunId, kind: &str, source: Option<&str>) -> Result<TriggerKind, StoreError> {
    trigger(kind, source)
        .ok_or_else(|| StoreError::Corrupt(format!("run `{id}` has the trigger `{kind}`")))
}

pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("`{text}`: {error}")))
}

pub(super) fn run_row(row: &SqliteRow) -> Result<RunRow, StoreError> {
    let run = run(row)?;
    Ok(RunRow {
        id: run.spec.id,
        dag: run.spec.dag,
        version: run.spec.version,
        state: run.state,
        trigger: run.spec.trigger,
        params: run.spec.params,
        interval: run.spec.interval,
        created: run.spec.created,
        started: run.started,
        finished: run.finished,
        owner: run.owner,
    })
}

/// What a run was accepted with.
pub(super) fn spec(row: &SqliteRow) -> Result<RunSpec, StoreError> {
    Ok(run(row)?.spec)
}

/// A run without its task runs.
pub(super) fn bare_run(row: &SqliteRow) -> Result<StoredRun, StoreError> {
    let run = run(row)?;
    Ok(StoredRun {
        spec: run.spec,
        state: run.state,
        owner: run.owner,
        tasks: Vec::new(),
        items: BTreeMap::new(),
    })
}

/// A row of `LOAD`.
pub(super) fn stored_run(row: &SqliteRow) -> Result<StoredRun, StoreError> {
    let mut stored = bare_run(row)?;
    #[expect(clippy::type_complexity, reason = "it is the shape of one JSON array")]
    let tasks: Vec<(
        i64,
        i64,
        i64,
        i64,
        i64,
        i64,
        i64,
        Cow<'_, str>,
        Option<Cow<'_, str>>,
    )> = parse(get(row, RUN_COLUMNS)?)?;
    stored.tasks.reserve(tasks.len());
    let mut current = Current::default();
    for (task, item, generation, attempts, spent, losses, fence, state, detail) in tasks {
        let snapshot = snapshot(
            [task, item, generation, attempts, spent, losses, fence],
            &state,
            detail.as_deref(),
        )?;
        if current.has(snapshot.id, snapshot.generation) && !is_plain(&snapshot) {
            stored.tasks.push(snapshot);
        }
    }
    let items: Vec<(u32, u32, Cow<'_, str>)> = parse(get(row, RUN_COLUMNS + 1)?)?;
    for (task, _, value) in items {
        let values: &mut Vec<Json> = stored.items.entry(TaskIndex(task)).or_default();
        values.push(Json(value.into()));
    }
    Ok(stored)
}

fn snapshot(
    [task, item, generation, attempts, spent, losses, fence]: [i64; 7],
    state: &str,
    detail: Option<&str>,
) -> Result<TaskRunSnapshot, StoreError> {
    Ok(TaskRunSnapshot {
        id: task_run_id(task, item)?,
        generation: number(generation, "generation")?,
        attempts: number(attempts, "attempts")?,
        budget: Budget {
            spent: number(spent, "failed attempts")?,
            losses: number(losses, "lost attempts")?,
        },
        fence: number(fence, "fence")?,
        state: task_state_of(state, detail)?,
    })
}

fn task_run_id(task: i64, item: i64) -> Result<TaskRunId, StoreError> {
    Ok(TaskRunId {
        task: TaskIndex(number(task, "task")?),
        item: if item < 0 {
            None
        } else {
            Some(number(item, "item")?)
        },
    })
}

fn task_state_of(word: &str, detail: Option<&str>) -> Result<TaskState, StoreError> {
    task_state(word, detail).ok_or_else(|| {
        let detail = detail.unwrap_or("nothing");
        StoreError::Corrupt(format!("a task run is `{word}` with {detail}"))
    })
}

/// Whether nothing has ever happened to it.
fn is_plain(snapshot: &TaskRunSnapshot) -> bool {
    snapshot.state == TaskState::Waiting
        && snapshot.generation == 0
        && snapshot.attempts == 0
        && snapshot.fence == 0
}

/// Leaves out items of a generation before that of their group: they are of the past. Rows come
/// in order, a group before its items.
#[derive(Default)]
struct Current {
    group: Option<(TaskIndex, u32)>,
}

impl Current {
    fn has(&mut self, id: TaskRunId, generation: u32) -> bool {
        if id.item.is_none() {
            self.group = Some((id.task, generation));
        }
        self.group
            .is_none_or(|(task, of_group)| task != id.task || generation >= of_group)
    }
}

fn result(row: &SqliteRow) -> Result<AttemptResult, StoreError> {
    let outcome = get(row, 0)?;
    Ok(AttemptResult {
        outcome: attempt_outcome(outcome, get(row, 1)?)
            .ok_or_else(|| StoreError::Corrupt(format!("an attempt ended as `{outcome}`")))?,
        outputs: text(row, 2)?,
        dataset: get::<Option<&str>>(row, 3)?.map(|text| Json(text.into())),
        metrics: get::<Option<&str>>(row, 4)?.map(|text| Json(text.into())),
    })
}

/// Rows of `TASK_RUNS`.
pub(super) fn task_run_rows(rows: &[SqliteRow]) -> Result<Vec<TaskRunRow>, StoreError> {
    let mut current = Current::default();
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let mut numbers = [0; 7];
        for (column, number) in (RESULT_COLUMNS..).zip(&mut numbers) {
            *number = get(row, column)?;
        }
        let snapshot = snapshot(
            numbers,
            get(row, RESULT_COLUMNS + 7)?,
            get(row, RESULT_COLUMNS + 8)?,
        )?;
        if !current.has(snapshot.id, snapshot.generation) || is_plain(&snapshot) {
            continue;
        }
        let has_result = get::<Option<&str>>(row, 0)?.is_some();
        found.push(TaskRunRow {
            id: snapshot.id,
            generation: snapshot.generation,
            attempts: snapshot.attempts,
            state: snapshot.state,
            started: time_or_null(row, RESULT_COLUMNS + 9)?,
            result: has_result.then(|| result(row)).transpose()?,
        });
    }
    Ok(found)
}

/// A row of `RESULTS` for a task; `None` when it is an item of the past.
pub(super) fn task_result(
    row: &SqliteRow,
    task: TaskIndex,
) -> Result<Option<(TaskRunId, AttemptResult)>, StoreError> {
    let item: i64 = get(row, RESULT_COLUMNS)?;
    let generation: i64 = get(row, RESULT_COLUMNS + 1)?;
    let of_group: Option<i64> = get(row, RESULT_COLUMNS + 2)?;
    if of_group.is_some_and(|of_group| generation < of_group) {
        return Ok(None);
    }
    let id = task_run_id(i64::from(task.0), item)?;
    Ok(Some((id, result(row)?)))
}

/// A row of `ATTEMPTS`.
pub(super) fn attempt_row(row: &SqliteRow) -> Result<AttemptRow, StoreError> {
    Ok(AttemptRow {
        id: task_run_id(get(row, RESULT_COLUMNS)?, get(row, RESULT_COLUMNS + 1)?)?,
        generation: number(get(row, RESULT_COLUMNS + 2)?, "generation")?,
        number: number(get(row, RESULT_COLUMNS + 3)?, "attempt")?,
        started: time(row, RESULT_COLUMNS + 4)?,
        finished: time(row, RESULT_COLUMNS + 5)?,
        result: result(row)?,
    })
}

/// A row of `VERSION`.
pub(super) fn version(row: &SqliteRow) -> Result<DagVersion, StoreError> {
    Ok(DagVersion {
        hash: get(row, 0)?,
        dag: dag_id(get(row, 1)?)?,
        tasks: parse(get(row, 2)?)?,
        files: parse(get(row, 3)?)?,
    })
}
