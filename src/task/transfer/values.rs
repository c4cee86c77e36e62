//! Cells as values of expressions, and back, with all their digits.

use serde_json::{Number, Value as Json};

use crate::data::ndjson::is_number;
use crate::data::{Batch, BatchBuilder, ColumnKind, Columns};
use crate::template::Scope;

/// Texts of a row's new cells, and what they are.
pub(super) type Row = Vec<(Option<String>, Option<ColumnKind>)>;

/// Gives an expression the columns that it reads.
pub(super) fn fill(scope: &mut Scope, names: &[(&str, usize)], batch: &Batch, row: usize) {
    for (name, at) in names {
        let kind = batch.columns()[*at].kind;
        scope.set(name, &to_json(batch.cell(row, *at), kind));
    }
}

/// A cell as a value of an expression. A text that is written like a number is one, because all
/// cells of a CSV file are texts.
fn to_json(cell: Option<&[u8]>, kind: ColumnKind) -> Json {
    let Some(cell) = cell else {
        return Json::Null;
    };
    let text = String::from_utf8_lossy(cell);
    match kind {
        ColumnKind::Number | ColumnKind::Text if is_number(cell) => {
            serde_json::from_str::<Number>(&text)
                .map_or_else(|_| Json::String(text.into_owned()), Json::Number)
        }
        ColumnKind::Boolean if cell == b"true" => Json::Bool(true),
        ColumnKind::Boolean if cell == b"false" => Json::Bool(false),
        ColumnKind::Json => {
            serde_json::from_str(&text).unwrap_or_else(|_| Json::String(text.into_owned()))
        }
        _ => Json::String(text.into_owned()),
    }
}

/// The cell of an expression's value, and what it is.
pub(super) fn from_json(value: Json) -> (Option<String>, Option<ColumnKind>) {
    match value {
        Json::Null => (None, None),
        Json::Bool(value) => (Some(value.to_string()), Some(ColumnKind::Boolean)),
        Json::Number(number) => (Some(number.to_string()), Some(ColumnKind::Number)),
        Json::String(text) => (Some(text), Some(ColumnKind::Text)),
        value => (Some(value.to_string()), Some(ColumnKind::Json)),
    }
}

/// Adds a row; in a column of JSON a text keeps its quotes.
pub(super) fn push(builder: &mut BatchBuilder, row: Row, columns: &Columns) {
    for ((text, kind), column) in row.into_iter().zip(columns.iter()) {
        let text = match (text, kind) {
            (Some(text), Some(ColumnKind::Text)) if column.kind == ColumnKind::Json => {
                Some(Json::String(text).to_string())
            }
            (text, _) => text,
        };
        builder.push(text.as_deref().map(str::as_bytes));
    }
}
