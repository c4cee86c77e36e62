//! Rows as batches of texts.

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::sqlite::{SqliteColumn, SqliteRow};
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};

use super::error::of_statement;
use super::session::StopFlag;
use crate::connection::DatabaseError;
use crate::data::{Batch, BatchBuilder, Column, ColumnKind, Columns, DataError, RecordSource};

/// A statement's rows, a batch at a time.
pub(super) struct Rows<'a> {
    columns: Columns,
    answers: BoxStream<'a, Result<SqliteRow, sqlx::Error>>,
    builder: BatchBuilder,
    sql: String,
    flag: StopFlag,
    ended: bool,
}

/// What a column's declaration says; SQLite's values don't have to keep to it.
fn declared(column: &SqliteColumn) -> Column {
    let kind = match column.type_info().name() {
        "BOOLEAN" => ColumnKind::Boolean,
        "INTEGER" | "REAL" | "NUMERIC" => ColumnKind::Number,
        _ => ColumnKind::Text,
    };
    Column {
        name: column.name().into(),
        kind,
    }
}

impl<'a> Rows<'a> {
    /// Waits for the first row: its values tell the kinds of columns without a declaration.
    pub(super) async fn begin(
        columns: &[SqliteColumn],
        mut answers: BoxStream<'a, Result<SqliteRow, sqlx::Error>>,
        sql: &str,
        flag: StopFlag,
    ) -> Result<Self, DatabaseError> {
        let mut columns: Vec<Column> = columns.iter().map(declared).collect();
        let first = answers
            .next()
            .await
            .transpose()
            .map_err(|error| of_statement(&error, sql, flag.is_raised()))?;
        if let Some(row) = &first {
            for (index, column) in columns.iter_mut().enumerate() {
                let value = row
                    .try_get_raw(index)
                    .map_err(|error| of_statement(&error, sql, false))?;
                column.kind = match (column.kind, value.type_info().name()) {
                    (kind, _) if value.is_null() => kind,
                    (ColumnKind::Boolean, "INTEGER") => ColumnKind::Boolean,
                    (_, "INTEGER" | "REAL") => ColumnKind::Number,
                    _ => ColumnKind::Text,
                };
            }
        }
        let columns: Columns = columns.into();
        let mut rows = Self {
            builder: BatchBuilder::new(columns.clone()),
            columns,
            answers,
            sql: sql.to_owned(),
            flag,
            ended: first.is_none(),
        };
        if let Some(row) = &first {
            rows.push(row)?;
        }
        Ok(rows)
    }

    fn push(&mut self, row: &SqliteRow) -> Result<(), DataError> {
        for (index, column) in self.columns.iter().enumerate() {
            let cell = cell(row, index, column.kind).map_err(|error| DataError::Source {
                message: error.to_string(),
                retryable: false,
            })?;
            self.builder.push(cell.as_deref());
        }
        Ok(())
    }
}

fn cell(row: &SqliteRow, index: usize, kind: ColumnKind) -> Result<Option<Vec<u8>>, sqlx::Error> {
    let value = row.try_get_raw(index)?;
    if value.is_null() {
        return Ok(None);
    }
    let text = match value.type_info().name() {
        "INTEGER" => match (kind, row.try_get_unchecked::<i64, _>(index)?) {
            (ColumnKind::Boolean, 0) => "false".to_owned(),
            (ColumnKind::Boolean, 1) => "true".to_owned(),
            (_, number) => number.to_string(),
        },
        "REAL" => {
            let number: f64 = row.try_get_unchecked(index)?;
            // The shortest notation that reads back as the same number.
            serde_json::Number::from_f64(number)
                .map_or_else(|| number.to_string(), |number| number.to_string())
        }
        "BLOB" => {
            let bytes: &[u8] = row.try_get_unchecked(index)?;
            bytes
                .iter()
                .fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
        }
        _ => row.try_get_unchecked(index)?,
    };
    Ok(Some(text.into_bytes()))
}

#[async_trait]
impl RecordSource for Rows<'_> {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        while !self.ended && !self.builder.is_full() {
            match self.answers.next().await {
                Some(Ok(row)) => self.push(&row)?,
                Some(Err(error)) => {
                    self.ended = true;
                    return Err(of_statement(&error, &self.sql, self.flag.is_raised()).into_data());
                }
                None => self.ended = true,
            }
        }
        Ok((!self.builder.is_empty()).then(|| self.builder.take()))
    }
}
