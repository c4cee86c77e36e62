//! Bulk loads: a batch of rows is one statement.

use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr as _};

use super::error::of_statement;
use super::session::SqliteSession;
use serde_json::Value as Json;

use crate::connection::table::missing_table;
use crate::connection::{
    DatabaseError, LoadInput, LoadMode, LoadTarget, Loaded, RefusedRecord, TableColumn, TableShape,
};
use crate::data::{Batch, ColumnKind, DataError, RecordSource, Rejects};

/// Primary codes of errors that are a row's fault: a constraint, a value of a wrong type.
const CONSTRAINT: u32 = 19;
const MISMATCH: u32 = 20;

/// Loads records into a table.
pub(super) async fn load(
    session: &mut SqliteSession,
    target: &LoadTarget,
    input: LoadInput<'_>,
) -> Result<Loaded, DatabaseError> {
    let (source, rejects) = match input {
        LoadInput::Records(source) => (source, None),
        LoadInput::Sifted { records, rejects } => (records, Some(rejects)),
        LoadInput::Raw { .. } => {
            return Err(DatabaseError::refused("SQLite has no bulk format"));
        }
    };
    let shape = describe(session, &target.table).await?;
    let names: Vec<&str> = target.columns.iter().map(|column| &*column.name).collect();
    shape.check(names.iter().copied())?;
    if let LoadMode::Replace { .. } = target.mode {
        // Readers go on with the old rows until COMMIT.
        let sql = format!("DELETE FROM {}", quoted_table(&target.table));
        session.run(&sql, &[]).await?;
    }
    let statement = statement(&shape, target, &names)?;
    let encodings: Vec<Encoding> = target
        .columns
        .iter()
        .map(|column| Ok(Encoding::of(column.kind, shape.column(&column.name)?)))
        .collect::<Result<_, DatabaseError>>()?;
    let mut loaded = Loaded::default();
    while let Some(batch) = source.next().await? {
        let rows = as_json(&batch, 0..batch.rows(), &encodings);
        match session.run(&statement, &[rows.into()]).await {
            Ok(written) => loaded.written += written,
            Err(error) if is_the_rows_fault(&error) => {
                let one_by_one = OneByOne {
                    statement: &statement,
                    encodings: &encodings,
                    source,
                    rejects,
                    before: loaded.rows,
                };
                loaded.written += one_by_one.load(session, &batch).await?;
            }
            Err(error) => return Err(error),
        }
        loaded.rows += batch.rows() as u64;
        loaded.bytes += batch.bytes() as u64;
    }
    Ok(loaded)
}

/// Finds the rows of a refused batch that are at fault.
struct OneByOne<'a, 's> {
    statement: &'a str,
    encodings: &'a [Encoding],
    source: &'a mut (dyn RecordSource + 's),
    rejects: Option<&'a Rejects>,
    /// Rows of earlier batches.
    before: u64,
}

impl OneByOne<'_, '_> {
    async fn load(self, session: &mut SqliteSession, batch: &Batch) -> Result<u64, DatabaseError> {
        let mut written = 0;
        for row in 0..batch.rows() {
            let one = as_json(batch, row..row + 1, self.encodings);
            let error = match session.run(self.statement, &[one.into()]).await {
                Ok(count) => {
                    written += count;
                    continue;
                }
                Err(error) => error,
            };
            let DatabaseError::Statement { message, .. } = &error else {
                return Err(error);
            };
            if !is_the_rows_fault(&error) {
                return Err(error);
            }
            let refused = RefusedRecord {
                line: row as u64 + 1,
                column: None,
                value: None,
                reason: message.clone(),
            };
            let place = self.source.place(self.before + row as u64);
            let reject =
                refused.into_reject(place, Json::Object(batch.row_as_json(row)).to_string());
            match self.rejects {
                Some(rejects) => rejects.add(reject),
                None => return Err(DataError::from(reject).into()),
            }
        }
        Ok(written)
    }
}

fn is_the_rows_fault(error: &DatabaseError) -> bool {
    let DatabaseError::Statement {
        code: Some(code), ..
    } = error
    else {
        return false;
    };
    code.parse::<u32>()
        .is_ok_and(|code| matches!(code & 0xff, CONSTRAINT | MISMATCH))
}

fn statement(
    shape: &TableShape,
    target: &LoadTarget,
    names: &[&str],
) -> Result<String, DatabaseError> {
    let cells: Vec<String> = (0..names.len())
        .map(|index| format!("value ->> {index}"))
        .collect();
    let conflict = match &target.mode {
        LoadMode::Append | LoadMode::Replace { .. } => String::new(),
        LoadMode::Upsert { key } => {
            let key = shape.key(key, names)?;
            let updates: Vec<String> = names
                .iter()
                .filter(|name| !key.iter().any(|part| part == *name))
                .map(|name| format!("{0} = excluded.{0}", quoted(name)))
                .collect();
            let action = if updates.is_empty() {
                "NOTHING".to_owned()
            } else {
                format!("UPDATE SET {}", updates.join(", "))
            };
            format!(" ON CONFLICT ({}) DO {action}", quoted_list(&key))
        }
        LoadMode::InsertNew { key } if key.is_empty() => " ON CONFLICT DO NOTHING".to_owned(),
        LoadMode::InsertNew { key } => {
            let key = shape.key(key, names)?;
            format!(" ON CONFLICT ({}) DO NOTHING", quoted_list(&key))
        }
    };
    // `WHERE true` keeps SQLite's parser from taking ON CONFLICT for a join's ON.
    Ok(format!(
        "INSERT INTO {} ({}) SELECT {} FROM json_each($1) WHERE true{conflict}",
        quoted_table(&target.table),
        quoted_list(names),
        cells.join(", ")
    ))
}

/// What SQLite knows of a table.
pub(super) async fn describe(
    session: &mut SqliteSession,
    name: &str,
) -> Result<TableShape, DatabaseError> {
    let (schema, table) = match name.split_once('.') {
        Some((schema, table)) => (Some(schema), table),
        None => (None, name),
    };
    let sql = "SELECT name, type, hidden IN (2, 3), pk,
            \"notnull\" AND dflt_value IS NULL AND NOT (pk > 0 AND upper(type) = 'INTEGER')
        FROM pragma_table_xinfo($1, $2)
        WHERE hidden <> 1 ORDER BY cid";
    let rows = sqlx::query(AssertSqlSafe(sql).into_sql_str())
        .persistent(false)
        .bind(table)
        .bind(schema)
        .fetch_all(&mut session.connection)
        .await
        .map_err(|error| of_statement(&error, sql, false))?;
    let mut columns = Vec::new();
    let mut key: Vec<(i64, String)> = Vec::new();
    for row in &rows {
        let name: String = row.get(0);
        if let place @ 1.. = row.get::<i64, _>(3) {
            key.push((place, name.clone()));
        }
        columns.push(TableColumn {
            name,
            type_name: row.get(1),
            generated: row.get(2),
            required: row.get(4),
            identity_always: false,
        });
    }
    if columns.is_empty() {
        let sql = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')
            AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1";
        let known = sqlx::query_scalar(AssertSqlSafe(sql).into_sql_str())
            .persistent(false)
            .fetch_all(&mut session.connection)
            .await
            .map_err(|error| of_statement(&error, sql, false))?;
        return Err(missing_table(name, &known));
    }
    key.sort();
    Ok(TableShape {
        name: name.to_owned(),
        columns,
        primary_key: key.into_iter().map(|(_, name)| name).collect(),
    })
}

/// How the cells of a column are handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// As a text, of which the column makes its own type: a decimal in a text column keeps all
    /// its digits.
    Text,
    /// As a number: the column takes anything as it comes.
    Number,
    /// 0 or 1.
    Boolean,
}

impl Encoding {
    fn of(kind: ColumnKind, column: &TableColumn) -> Self {
        let declared = column.type_name.to_ascii_uppercase();
        let textual = ["CHAR", "CLOB", "TEXT"]
            .iter()
            .any(|word| declared.contains(word));
        let untyped = declared.is_empty() || declared.contains("BLOB") || declared == "ANY";
        match kind {
            ColumnKind::Boolean if !textual => Self::Boolean,
            ColumnKind::Number if untyped => Self::Number,
            _ => Self::Text,
        }
    }
}

fn as_json(batch: &Batch, rows: std::ops::Range<usize>, encodings: &[Encoding]) -> String {
    let mut json = String::with_capacity(batch.bytes() + 16);
    json.push('[');
    for row in rows {
        if json.len() > 1 {
            json.push(',');
        }
        for (index, (cell, encoding)) in batch.row(row).zip(encodings).enumerate() {
            json.push(if index == 0 { '[' } else { ',' });
            let Some(cell) = cell else {
                json += "null";
                continue;
            };
            let text = String::from_utf8_lossy(cell);
            match encoding {
                Encoding::Number if crate::data::ndjson::is_number(cell) => json += &text,
                Encoding::Boolean if cell == b"true" => json.push('1'),
                Encoding::Boolean if cell == b"false" => json.push('0'),
                _ => json += &serde_json::Value::from(text).to_string(),
            }
        }
        json.push(']');
    }
    json.push(']');
    json
}

/// `schema.table` as quoted identifiers.
fn quoted_table(table: &str) -> String {
    let parts: Vec<String> = table.splitn(2, '.').map(quoted).collect();
    parts.join(".")
}

fn quoted_list<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name.as_ref())).collect();
    names.join(", ")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
