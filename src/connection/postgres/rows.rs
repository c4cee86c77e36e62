//! Rows of any type as batches of texts.
//!
//! Without values a statement goes by the simple protocol, whose answers are texts. With values
//! it has to go by the extended one, where sqlx asks for binary answers: there the statement is
//! wrapped, so that the server makes texts of all columns.

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::postgres::{PgColumn, PgQueryResult, PgRow, PgTypeInfo};
use sqlx::{Column as _, Either, Row as _, TypeInfo as _};

use super::notices::Notices;
use crate::connection::DatabaseError;
use crate::data::{Batch, BatchBuilder, Column, ColumnKind, Columns, DataError, RecordSource};
use crate::sqltext::{AtomKind, Dialect, Rewritten, atoms};

/// What sqlx streams.
pub(super) type Answers<'a> = BoxStream<'a, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>;

/// Explains an error of the stream.
pub(super) type Explain = Box<dyn Fn(sqlx::Error) -> DatabaseError + Send>;

/// A column as the statement describes it.
pub(super) fn column(column: &PgColumn) -> Column {
    Column {
        name: column.name().into(),
        kind: kind(column.type_info()),
    }
}

fn kind(info: &PgTypeInfo) -> ColumnKind {
    match info.oid().map(|oid| oid.0) {
        Some(16) => ColumnKind::Boolean,
        Some(20 | 21 | 23 | 26 | 700 | 701 | 1700) => ColumnKind::Number,
        Some(114 | 3802) => ColumnKind::Json,
        _ => ColumnKind::Text,
    }
}

/// Whether all columns are texts in the binary protocol, too.
pub(super) fn are_texts(columns: &[PgColumn]) -> bool {
    columns.iter().all(|column| {
        matches!(
            column.type_info().name(),
            "TEXT" | "VARCHAR" | "NAME" | "CHAR"
        )
    })
}

/// The statement with all of its columns as texts. `None` when it isn't of a form that can be a
/// part of another.
pub(super) fn as_texts(sql: &str, columns: usize) -> Option<Rewritten> {
    let significant: Vec<_> = atoms(sql, Dialect::Postgres)
        .filter(|atom| !atom.is_blank())
        .collect();
    let end = significant.last().map_or(sql.len(), |atom| atom.range.end);
    let first = significant.first()?;
    let names: Vec<String> = (1..=columns).map(|n| format!("c{n}")).collect();
    let cells: Vec<String> = names.iter().map(|name| format!("{name}::text")).collect();
    let (names, cells) = (names.join(", "), cells.join(", "));
    let mut rewritten = Rewritten::default();
    match first.text(sql).to_ascii_lowercase().as_str() {
        "select" | "values" | "table" | "(" => {
            rewritten.replace(0..0, &format!("SELECT {cells} FROM (\n"));
            rewritten.keep(sql, 0..end);
            rewritten.replace(end..end, &format!("\n) AS runner_q({names})"));
        }
        "insert" | "update" | "delete" | "merge" => {
            rewritten.replace(0..0, &format!("WITH runner_q({names}) AS (\n"));
            rewritten.keep(sql, 0..end);
            rewritten.replace(end..end, &format!("\n) SELECT {cells} FROM runner_q"));
        }
        "with" => {
            // Whatever comes after the list of WITH becomes its last entry.
            let mut depth = 0usize;
            let main = significant.iter().find(|atom| {
                if atom.is_symbol(sql, '(') {
                    depth += 1;
                } else if atom.is_symbol(sql, ')') {
                    depth = depth.saturating_sub(1);
                }
                depth == 0
                    && atom.kind == AtomKind::Word
                    && [
                        "select", "insert", "update", "delete", "merge", "values", "table",
                    ]
                    .iter()
                    .any(|word| atom.is_word(sql, word))
            })?;
            let at = main.range.start;
            rewritten.keep(sql, 0..at);
            rewritten.replace(at..at, &format!(", runner_q({names}) AS (\n"));
            rewritten.keep(sql, at..end);
            rewritten.replace(end..end, &format!("\n) SELECT {cells} FROM runner_q"));
        }
        _ => return None,
    }
    Some(rewritten)
}

/// A statement's rows, a batch at a time.
pub(super) struct Rows<'a> {
    columns: Columns,
    answers: Answers<'a>,
    builder: BatchBuilder,
    notices: Notices,
    explain: Explain,
    /// The session's mark of a failed transaction.
    broken: &'a mut bool,
    ended: bool,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        columns: Columns,
        answers: Answers<'a>,
        notices: Notices,
        explain: Explain,
        broken: &'a mut bool,
    ) -> Self {
        Self {
            builder: BatchBuilder::new(columns.clone()),
            columns,
            answers,
            notices,
            explain,
            broken,
            ended: false,
        }
    }

    /// Waits for the first row.
    pub(super) async fn begin(&mut self) -> Result<(), DatabaseError> {
        let notices = self.notices.clone();
        notices.during(self.fill(1)).await
    }

    /// Reads until the batch has this many rows, is full, or the rows end.
    async fn fill(&mut self, rows: usize) -> Result<(), DatabaseError> {
        while !self.ended && self.builder.rows() < rows && !self.builder.is_full() {
            match self.answers.next().await {
                Some(Ok(Either::Right(row))) => self.push(&row)?,
                Some(Ok(Either::Left(_))) => {}
                Some(Err(error)) => {
                    self.ended = true;
                    *self.broken = true;
                    return Err((self.explain)(error));
                }
                None => self.ended = true,
            }
        }
        Ok(())
    }

    fn push(&mut self, row: &PgRow) -> Result<(), DataError> {
        for (index, column) in self.columns.iter().enumerate() {
            let cell = row.try_get_raw(index).map_err(|error| unreadable(&error))?;
            // The only failure is a NULL.
            let cell = cell.as_bytes().ok();
            self.builder.push(match (column.kind, cell) {
                (ColumnKind::Boolean, Some(b"t")) => Some(b"true"),
                (ColumnKind::Boolean, Some(b"f")) => Some(b"false"),
                (_, cell) => cell,
            });
        }
        Ok(())
    }
}

/// Whether a statement may give rows; those that may have to be described first, since the
/// simple protocol doesn't tell the columns of an empty answer.
pub(super) fn may_come(sql: &str) -> bool {
    let first = atoms(sql, Dialect::Postgres).find(|atom| !atom.is_blank());
    first.is_some_and(|first| {
        let words = [
            "select", "values", "table", "with", "show", "explain", "fetch", "execute", "call",
            "insert", "update", "delete", "merge", "(",
        ];
        words
            .iter()
            .any(|word| first.text(sql).eq_ignore_ascii_case(word))
    })
}

fn unreadable(error: &sqlx::Error) -> DataError {
    DataError::Source {
        message: error.to_string(),
        retryable: false,
    }
}

#[async_trait]
impl RecordSource for Rows<'_> {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        let notices = self.notices.clone();
        notices
            .during(self.fill(usize::MAX))
            .await
            .map_err(DatabaseError::into_data)?;
        Ok((!self.builder.is_empty()).then(|| self.builder.take()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_wrapped_by_their_form() {
        for (sql, expected) in [
            (
                "select 1 -- one",
                Some("SELECT c1::text FROM (\nselect 1\n) AS runner_q(c1)"),
            ),
            (
                "insert into t values (1) returning a",
                Some(
                    "WITH runner_q(c1) AS (\ninsert into t values (1) returning a\n) SELECT c1::text FROM runner_q",
                ),
            ),
            (
                "with a as (select 1) select * from a",
                Some(
                    "with a as (select 1) , runner_q(c1) AS (\nselect * from a\n) SELECT c1::text FROM runner_q",
                ),
            ),
            ("explain select 1", None),
        ] {
            let wrapped = as_texts(sql, 1).map(Rewritten::into_text);
            assert_eq!(wrapped.as_deref(), expected, "{sql}");
        }
    }
}
