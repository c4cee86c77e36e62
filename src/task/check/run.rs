//! Looking at the rules.

use serde_json::{Value as Json, json};

use super::definition::Severity;
use super::read::{Check, Subject};
use super::report::{Broken, count, sample};
use super::rule::{Circumstances, Rule, RuleKind};
use super::sql::Relation;
use crate::connection::{DatabaseError, Dialect, Fetched, Session, Statement};
use crate::data::ndjson::NdjsonEncoder;
use crate::data::{
    Batch, BatchBuilder, Column, ColumnKind, Columns, DatasetInfo, DatasetName, DatasetWriter,
};
use crate::model::{FailureKind, Timestamp};
use crate::task::{AttemptContext, Metrics, Rendered, TaskFailure, TaskOutput, TaskResult};
use crate::template::Template;

/// Offending rows of a rule that are kept.
const KEPT: usize = 1000;

pub(super) async fn run(check: &Check, attempt: &AttemptContext) -> TaskResult {
    let database = attempt.connections.database(check.connection.as_str());
    let database = database.ok_or_else(|| {
        TaskFailure::permanent(format!("connection `{}` doesn't exist", check.connection))
    })?;
    let subject = match &check.subject {
        Subject::Table(name) => Relation::table(name),
        Subject::Query(query) => Relation::query(query, Some(&attempt.scope))?,
    };
    let circumstances = Circumstances {
        subject: &subject,
        dialect: database.dialect(),
        scope: Some(&attempt.scope),
        time: run_time(attempt)?,
    };
    let cancelled = || TaskFailure::retryable("cancelled");
    let purpose = attempt.purpose();
    let mut session = tokio::select! {
        session = database.session(&purpose) => session?,
        () = attempt.cancel.cancelled() => return Err(cancelled()),
    };
    let stopper = session.stopper();
    let looked = tokio::select! {
        looked = look_at_all(check, attempt, &mut *session, &circumstances) => Some(looked),
        () = attempt.cancel.cancelled() => None,
    };
    let Some(looked) = looked else {
        stopper.stop().await;
        return Err(cancelled());
    };
    conclude(check, looked?)
}

/// The end of the run's data interval.
fn run_time(attempt: &AttemptContext) -> Result<Timestamp, TaskFailure> {
    let end = Template::expression("run.data_interval.end")
        .and_then(|template| template.evaluate(&attempt.scope));
    match end {
        Ok(Json::String(end)) => chrono::DateTime::parse_from_rfc3339(&end)
            .map(|time| time.to_utc())
            .map_err(|error| {
                TaskFailure::permanent(format!("the run's time can't be read: {error}"))
            }),
        _ => Ok((attempt.clock)()),
    }
}

/// What looking at the rules has found.
struct Looked {
    broken: Vec<Broken>,
    /// Rules that could not be looked at.
    failed: Vec<(String, TaskFailure)>,
    offending: Option<DatasetInfo>,
}

async fn look_at_all(
    check: &Check,
    attempt: &AttemptContext,
    session: &mut dyn Session,
    circumstances: &Circumstances<'_>,
) -> Result<Looked, TaskFailure> {
    let mut looked = Looked {
        broken: Vec::new(),
        failed: Vec::new(),
        offending: None,
    };
    let mut writer = None;
    begin(session).await?;
    for rule in &check.rules {
        match look_at(check, rule, attempt, session, circumstances).await {
            Ok(None) => attempt.log.info(format!("{}: holds", rule.name)),
            Ok(Some((broken, rows))) => {
                let text = broken.describe();
                match broken.severity {
                    Severity::Error => attempt.log.error(text),
                    Severity::Warn => attempt.log.warn(text),
                }
                if let Some(batch) = kept(&broken, rows.as_ref()) {
                    keep(attempt, &mut writer, batch).await?;
                }
                looked.broken.push(broken);
            }
            Err(failure) if failure.cause.kind == FailureKind::Permanent => {
                attempt
                    .log
                    .error(format!("{}: {}", rule.name, failure.cause.message));
                looked.failed.push((rule.name.clone(), failure));
                // The other rules are looked at, too.
                end(session).await?;
                begin(session).await?;
            }
            Err(failure) => return Err(failure),
        }
    }
    end(session).await?;
    if let Some(writer) = writer {
        looked.offending = Some(writer.finish().await?);
    }
    Ok(looked)
}

/// One snapshot for all rules, which can't be changed from within a query.
async fn begin(session: &mut dyn Session) -> Result<(), TaskFailure> {
    if session.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    session.begin().await?;
    let reading = Statement {
        text: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned(),
        values: Vec::new(),
    };
    session.execute(&reading).await?;
    Ok(())
}

async fn end(session: &mut dyn Session) -> Result<(), TaskFailure> {
    if session.dialect() == Dialect::Postgres {
        session.rollback().await?;
    }
    Ok(())
}

async fn look_at(
    check: &Check,
    rule: &Rule,
    attempt: &AttemptContext,
    session: &mut dyn Session,
    circumstances: &Circumstances<'_>,
) -> Result<Option<(Broken, Option<Batch>)>, TaskFailure> {
    let offending = rule.kind.offending(circumstances)?;
    let counting = format!("{} AS n", rule.kind.count());
    let counting = offending.statement(&counting, "");
    attempt
        .log
        .rendered(|| rendered(check.connection.as_str(), &counting));
    let counted = first_batch(session, &counting).await?;
    let counted = counted.as_ref().and_then(|batch| batch.cell(0, 0));
    let rows: u64 = counted
        .and_then(|cell| std::str::from_utf8(cell).ok()?.parse().ok())
        .ok_or_else(|| TaskFailure::permanent("the number of rows can't be read"))?;
    let mut broken = Broken {
        name: rule.name.clone(),
        severity: rule.severity,
        rows,
        reason: None,
        sample: String::new(),
    };
    if let RuleKind::RowCount(bounds) = &rule.kind {
        let reason = bounds.broken_by(rows, circumstances)?;
        broken.reason = reason.map(|reason| format!("{}, {reason}", count(rows, "row")));
        return Ok(broken.reason.is_some().then_some((broken, None)));
    }
    if rows == 0 {
        return Ok(None);
    }
    let some = offending.statement("*", &format!("LIMIT {KEPT}"));
    let some = first_batch(session, &some).await?;
    if let RuleKind::Freshness { max_age, .. } = &rule.kind {
        let newest = some.as_ref().and_then(|batch| batch.cell(0, 0));
        let age = crate::document::units::format_duration(*max_age);
        let time = circumstances.time.format("%Y-%m-%d %H:%M:%S UTC");
        broken.reason = Some(match newest {
            None => "there is no time at all".to_owned(),
            Some(newest) => format!(
                "the newest is {}, more than {age} before {time}",
                String::from_utf8_lossy(newest)
            ),
        });
        return Ok(Some((broken, some)));
    }
    let total = match &rule.kind {
        // A group a line.
        RuleKind::Unique { .. } => some.as_ref().map_or(0, |batch| batch.rows() as u64),
        _ => rows,
    };
    broken.sample = some
        .as_ref()
        .map(|batch| sample(batch, total))
        .unwrap_or_default();
    Ok(Some((broken, some)))
}

fn rendered(connection: &str, statement: &Statement) -> Rendered {
    let rendered = Rendered::new("sql", connection, &statement.text);
    let values = (1..).zip(&statement.values);
    values.fold(rendered, |rendered, (number, value)| {
        rendered.with(format!("${number}"), value.to_string())
    })
}

async fn first_batch(
    session: &mut dyn Session,
    statement: &Statement,
) -> Result<Option<Batch>, TaskFailure> {
    match session.fetch(statement).await.map_err(explained)? {
        Fetched::Touched(_) => Ok(None),
        Fetched::Rows(mut rows) => {
            let first = rows.next().await?;
            // All of it, so that the session is free again; there are few.
            while rows.next().await?.is_some() {}
            Ok(first)
        }
    }
}

/// The query is ours, so that its place would not help; what the server says does.
fn explained(error: DatabaseError) -> TaskFailure {
    let mut message = error.to_string();
    for (name, remark) in error.remarks() {
        message.push_str(&format!("\n = {name}: {remark}"));
    }
    let mut failure = TaskFailure::from(error);
    failure.cause.message = message.into();
    failure
}

/// Offending rows as rows of the dataset.
fn kept(broken: &Broken, rows: Option<&Batch>) -> Option<Batch> {
    let rows = rows?;
    let mut lines = Vec::new();
    NdjsonEncoder::new(rows.columns()).encode(rows, &mut lines);
    let mut builder = BatchBuilder::new(columns());
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        builder.push(Some(broken.name.as_bytes()));
        builder.push(Some(broken.severity.word().as_bytes()));
        builder.push(Some(line));
    }
    Some(builder.take())
}

fn columns() -> Columns {
    let row = Column {
        name: "row".into(),
        kind: ColumnKind::Json,
    };
    [Column::text("rule"), Column::text("severity"), row].into()
}

async fn keep(
    attempt: &AttemptContext,
    writer: &mut Option<DatasetWriter>,
    batch: Batch,
) -> Result<(), TaskFailure> {
    let writer = if let Some(writer) = writer {
        writer
    } else {
        let run = attempt.id.run.to_string();
        let name = DatasetName {
            run: &run,
            task: attempt.task.as_str(),
            item: attempt.id.task_run.item,
            generation: attempt.id.generation,
        };
        let made = DatasetWriter::create(&attempt.places.state, name, columns()).await?;
        writer.insert(made)
    };
    Ok(writer.write(batch).await?)
}

fn conclude(check: &Check, looked: Looked) -> TaskResult {
    let rules = check.rules.len() as u64;
    let (errors, warnings): (Vec<&Broken>, Vec<&Broken>) = looked
        .broken
        .iter()
        .partition(|broken| broken.severity == Severity::Error);
    let wrong = errors.len() + looked.failed.len();
    if wrong > 0 {
        let verb = if wrong == 1 { "is" } else { "are" };
        let mut text = format!("{wrong} of {} {verb} broken", count(rules, "rule"));
        for broken in errors {
            text.push('\n');
            text.push_str(&broken.describe());
        }
        for (name, failure) in &looked.failed {
            text.push_str(&format!("\n{name}: {}", failure.cause.message));
        }
        return Err(TaskFailure {
            dataset: looked.offending.map(Box::new),
            ..TaskFailure::permanent(text)
        });
    }
    let held = count(rules - warnings.len() as u64, "rule");
    let verb = if rules - warnings.len() as u64 == 1 {
        "holds"
    } else {
        "hold"
    };
    let mut summary = format!("{held} {verb}");
    if !warnings.is_empty() {
        summary.push_str(&format!(", {}", count(warnings.len() as u64, "warning")));
    }
    let mut output = TaskOutput {
        dataset: looked.offending,
        metrics: Metrics {
            summary: Some(summary),
            ..Metrics::default()
        },
        ..TaskOutput::default()
    };
    let broken: Vec<Json> = looked
        .broken
        .iter()
        .map(|broken| json!({ "rule": broken.name, "rows": broken.rows }))
        .collect();
    output.outputs.insert("rules".to_owned(), rules.into());
    output.outputs.insert("warnings".to_owned(), broken.into());
    Ok(output)
}
