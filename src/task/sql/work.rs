//! Sending the statements.

use std::time::Instant;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{Kept, result};
use crate::connection::{Database, Dialect, Fetched, Session, Statement};
use crate::data::{DatasetName, DatasetWriter, RecordSource};
use crate::document::units::format_duration;
use crate::task::script::{Prepared, Ready, execute, log_notices, of_rows, of_statement};
use crate::task::{AttemptContext, TaskFailure, TaskOutput, TaskResult, Work};

/// The statements as the work of one transaction.
pub(super) struct Statements<'a> {
    pub(super) attempt: &'a AttemptContext,
    pub(super) prepared: &'a Prepared<'a>,
}

#[async_trait]
impl Work for Statements<'_> {
    async fn carry_out(&mut self, session: &mut dyn Session) -> Result<Json, TaskFailure> {
        let output = all(self.attempt, session, self.prepared).await?;
        Ok(result::for_ledger(&output))
    }
}

/// Executes a script that seems only to read, without an entry in the ledger. `None` when a
/// function in it has written something: then nothing is committed, and it is to be done with one.
pub(super) async fn read(
    attempt: &AttemptContext,
    database: &dyn Database,
    prepared: &Prepared<'_>,
) -> Result<Option<TaskOutput>, TaskFailure> {
    in_session(attempt, database, prepared, Way::Reading).await
}

/// Executes each statement by itself.
pub(super) async fn one_by_one(
    attempt: &AttemptContext,
    database: &dyn Database,
    prepared: &Prepared<'_>,
) -> TaskResult {
    let output = in_session(attempt, database, prepared, Way::OneByOne).await?;
    Ok(output.unwrap_or_default())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Reading,
    OneByOne,
}

async fn carry_out(
    attempt: &AttemptContext,
    session: &mut dyn Session,
    prepared: &Prepared<'_>,
    way: Way,
) -> Result<Option<TaskOutput>, TaskFailure> {
    // Nothing in SQLite's SELECT can write.
    if way == Way::OneByOne || session.dialect() == Dialect::Sqlite {
        return all(attempt, session, prepared).await.map(Some);
    }
    session.begin().await?;
    let output = all(attempt, session, prepared).await?;
    if has_written(session).await? {
        session.rollback().await?;
        return Ok(None);
    }
    session.commit().await?;
    Ok(Some(output))
}

async fn has_written(session: &mut dyn Session) -> Result<bool, TaskFailure> {
    let question = Statement {
        text: "SELECT txid_current_if_assigned()::text".to_owned(),
        values: Vec::new(),
    };
    let Fetched::Rows(mut rows) = session.fetch(&question).await? else {
        return Ok(true);
    };
    let batch = rows.next().await?;
    Ok(batch.is_none_or(|batch| batch.cell(0, 0).is_some()))
}

/// Executes in a session until the attempt is cancelled, which ends the statement on the server,
/// too.
async fn in_session(
    attempt: &AttemptContext,
    database: &dyn Database,
    prepared: &Prepared<'_>,
    way: Way,
) -> Result<Option<TaskOutput>, TaskFailure> {
    let cancelled = || TaskFailure::retryable("cancelled");
    let purpose = attempt.purpose();
    let mut session = tokio::select! {
        session = database.session(&purpose) => session?,
        () = attempt.cancel.cancelled() => return Err(cancelled()),
    };
    let stopper = session.stopper();
    let done = tokio::select! {
        done = carry_out(attempt, &mut *session, prepared, way) => Some(done),
        () = attempt.cancel.cancelled() => None,
    };
    if let Some(done) = done {
        log_notices(attempt, &mut *session);
        return done;
    }
    stopper.stop().await;
    Err(cancelled())
}

/// Executes all statements.
async fn all(
    attempt: &AttemptContext,
    session: &mut dyn Session,
    prepared: &Prepared<'_>,
) -> TaskResult {
    let mut output = TaskOutput::default();
    let mut touched = 0;
    for (index, ready) in prepared.statements.iter().enumerate() {
        let begun = Instant::now();
        let keep = prepared.dataset == Some(index);
        let rows = one(attempt, session, prepared, ready, keep, &mut output).await;
        log_notices(attempt, session);
        let rows = rows?;
        if !keep {
            touched += rows;
        }
        attempt.log.info(format!(
            "{}/{} {} ({rows} {}, {})",
            index + 1,
            prepared.statements.len(),
            first_line(&ready.statement.text),
            if rows == 1 { "row" } else { "rows" },
            format_duration(begun.elapsed()),
        ));
    }
    output.metrics.rows = Some(
        output
            .dataset
            .as_ref()
            .map_or(touched, |dataset| dataset.rows),
    );
    output.metrics.bytes = output.dataset.as_ref().map(|dataset| dataset.bytes);
    Ok(output)
}

/// Executes one statement and gives the number of its rows.
async fn one(
    attempt: &AttemptContext,
    session: &mut dyn Session,
    prepared: &Prepared<'_>,
    ready: &Ready<'_>,
    keep: bool,
    output: &mut Kept,
) -> Result<u64, TaskFailure> {
    if !keep {
        return execute(session, prepared, ready).await;
    }
    let failed = |error| of_statement(prepared, ready, error);
    match session.fetch(&ready.statement).await.map_err(failed)? {
        Fetched::Touched(touched) => Ok(touched),
        Fetched::Rows(mut rows) => keep_rows(attempt, prepared, ready, &mut *rows, output).await,
    }
}

async fn keep_rows(
    attempt: &AttemptContext,
    prepared: &Prepared<'_>,
    ready: &Ready<'_>,
    rows: &mut dyn RecordSource,
    output: &mut Kept,
) -> Result<u64, TaskFailure> {
    let failed = |error| of_rows(prepared, ready, error);
    let mut columns = rows.columns().clone();
    if let Some(distinct) = result::distinct(&columns) {
        attempt.log.warn(
            "some columns have the same name: they get numbers (`n_2`); give them names with `AS`",
        );
        columns = distinct;
    }
    let run = attempt.id.run.to_string();
    let name = DatasetName {
        run: &run,
        task: attempt.task.as_str(),
        item: attempt.id.task_run.item,
        generation: attempt.id.generation,
    };
    let mut writer = DatasetWriter::create(&attempt.places.state, name, columns.clone()).await?;
    let mut first = Json::Null;
    let mut count = 0;
    while let Some(batch) = rows.next().await.map_err(failed)? {
        if count == 0 {
            first = result::first_row(&columns, &batch);
        }
        count += batch.rows() as u64;
        attempt
            .progress
            .add(batch.rows() as u64, batch.bytes() as u64);
        writer.write(batch).await?;
    }
    output.dataset = Some(writer.finish().await?);
    output.outputs = result::outputs(&columns, count, first);
    Ok(count)
}

/// The first line of a statement, and not too much of it.
fn first_line(sql: &str) -> String {
    const WIDTH: usize = 80;
    let line = sql.lines().next().unwrap_or_default().trim_end();
    if line.chars().count() <= WIDTH && line.len() == sql.len() {
        return line.to_owned();
    }
    let start: String = line.chars().take(WIDTH).collect();
    format!("{} …", start.trim_end())
}
