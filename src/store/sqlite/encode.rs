//! Values as the JSON texts that the statements take.

use serde::Serialize;

use crate::model::TaskRunId;
use crate::store::change::Change;
use crate::store::words::{attempt_words, micros, task_state_words, trigger_words};
use crate::store::{NewRun, StoreError};

use super::statement::Parts;

/// The parameters `$1` to `$7` of a change, and the statements that it needs.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub(super) parts: Parts,
    pub(super) owners: String,
    pub(super) runs: String,
    pub(super) expansions: String,
    pub(super) items: String,
    pub(super) tasks: String,
    pub(super) attempts: String,
    pub(super) new_runs: String,
}

/// `item` in the database: -1 for a task's own task run.
pub(super) fn item(id: TaskRunId) -> i64 {
    id.item.map_or(-1, i64::from)
}

/// SQLite has no unsigned numbers; fences never grow that far.
fn signed(fence: u64) -> i64 {
    i64::try_from(fence).unwrap_or(i64::MAX)
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Corrupt(format!("a value can't be written as JSON: {error}")))
}

/// An array of rows; empty text for none, which no statement is then there to read.
fn rows<T: Serialize>(rows: &[T]) -> Result<String, StoreError> {
    if rows.is_empty() {
        return Ok(String::new());
    }
    json(rows)
}

pub(super) fn encode(change: &Change<'_>, new_runs: &[&NewRun]) -> Result<Encoded, StoreError> {
    let owners: Vec<_> = change.owners.clone();
    let runs: Vec<_> = change
        .runs
        .iter()
        .map(|change| {
            let started = change.started.map(micros);
            let finished = change.finished.map(micros);
            (change.run, change.state.as_str(), started, finished)
        })
        .collect();
    let items: Vec<_> = change
        .items
        .iter()
        .map(|(run, id, generation, value)| (run, id.task, item(*id), generation, value))
        .collect();
    let tasks: Vec<_> = change
        .tasks()
        .map(|task| {
            let (state, detail) = task_state_words(task.state.get());
            (
                task.run,
                task.id.task,
                item(task.id),
                task.generation,
                task.attempts,
                task.budget.spent,
                task.budget.losses,
                signed(task.fence),
                state,
                detail,
                task.started.map(micros),
            )
        })
        .collect();
    let attempts: Vec<_> = change
        .attempts
        .iter()
        .map(|attempt| {
            let result = &attempt.ended.result;
            let (outcome, detail) = attempt_words(&result.outcome);
            (
                attempt.run,
                attempt.id.task,
                item(attempt.id),
                attempt.generation,
                attempt.ended.number,
                micros(attempt.ended.started),
                micros(attempt.finished),
                outcome,
                detail,
                &result.outputs,
                &result.dataset,
                &result.metrics,
            )
        })
        .collect();
    Ok(Encoded {
        parts: Parts {
            new_runs: !new_runs.is_empty(),
            owners: !owners.is_empty(),
            runs: !runs.is_empty(),
            expansions: !change.expansions.is_empty(),
            tasks: !tasks.is_empty(),
            attempts: !attempts.is_empty(),
        },
        owners: rows(&owners)?,
        runs: rows(&runs)?,
        expansions: rows(&change.expansions)?,
        items: if items.is_empty() {
            "[]".to_owned()
        } else {
            json(&items)?
        },
        tasks: rows(&tasks)?,
        attempts: rows(&attempts)?,
        new_runs: self::new_runs(new_runs)?,
    })
}

fn new_runs(new: &[&NewRun]) -> Result<String, StoreError> {
    let values = new
        .iter()
        .map(|new| {
            let spec = &new.spec;
            let (trigger, source) = trigger_words(&spec.trigger);
            let only = spec.only.as_ref().map(json).transpose()?;
            Ok((
                &spec.id,
                &spec.dag,
                &spec.version,
                &new.owner,
                &spec.params,
                micros(spec.interval.start),
                micros(spec.interval.end),
                micros(spec.logical_time),
                trigger,
                source,
                spec.seed.cast_signed(),
                spec.priority,
                only,
                micros(spec.created),
            ))
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    rows(&values)
}
