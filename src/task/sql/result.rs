//! What a script leaves: outputs, a dataset, metrics. The ledger keeps it as JSON.

use serde_json::{Map, Value as Json, json};

use super::Kept;
use crate::connection::DatabaseError;
use crate::data::ndjson::NdjsonEncoder;
use crate::data::{Batch, Column, Columns};
use crate::task::{TaskFailure, TaskResult};

/// The form in which the ledger keeps it.
pub(super) fn for_ledger(output: &Kept) -> Json {
    json!({
        "outputs": output.outputs,
        "dataset": output.dataset,
        "metrics": output.metrics,
    })
}

/// What an attempt that has committed left in the ledger.
pub(super) fn from_ledger(mut kept: Json) -> TaskResult {
    let unreadable = |error: serde_json::Error| {
        let message = format!("the ledger's result can't be read: {error}");
        TaskFailure::from(DatabaseError::refused(message))
    };
    let mut take = |key: &str| kept.get_mut(key).map(Json::take).unwrap_or_default();
    Ok(Kept {
        outputs: serde_json::from_value::<Option<_>>(take("outputs"))
            .map_err(unreadable)?
            .unwrap_or_default(),
        dataset: serde_json::from_value(take("dataset")).map_err(unreadable)?,
        metrics: serde_json::from_value::<Option<_>>(take("metrics"))
            .map_err(unreadable)?
            .unwrap_or_default(),
        ..Kept::default()
    })
}

/// A batch's first row as a JSON object, numbers with their digits.
pub(super) fn first_row(columns: &Columns, batch: &Batch) -> Json {
    let mut line = Vec::new();
    NdjsonEncoder::new(columns).encode(batch, &mut line);
    let first = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice(first).unwrap_or_default()
}

/// The outputs of a script that gave rows.
pub(super) fn outputs(columns: &Columns, rows: u64, first: Json) -> Map<String, Json> {
    let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
    let mut outputs = Map::new();
    outputs.insert("first".to_owned(), first);
    outputs.insert("rows".to_owned(), rows.into());
    outputs.insert("columns".to_owned(), names.into());
    outputs
}

/// The columns with a name of its own for each: a second `n` becomes `n_2`. `None` when they have
/// that already.
pub(super) fn distinct(columns: &Columns) -> Option<Columns> {
    let mut names: Vec<String> = Vec::with_capacity(columns.len());
    for column in columns.iter() {
        let mut name = column.name.to_string();
        let mut number = 2;
        while names.contains(&name) {
            name = format!("{}_{number}", column.name);
            number += 1;
        }
        names.push(name);
    }
    let same = names
        .iter()
        .zip(columns.iter())
        .all(|(name, column)| **name == *column.name);
    let renamed = names.into_iter().zip(columns.iter());
    (!same).then(|| {
        renamed
            .map(|(name, column)| Column {
                name: name.into(),
                kind: column.kind,
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{BatchBuilder, ColumnKind};
    use crate::task::Metrics;

    #[test]
    fn doubled_names_get_numbers() {
        let columns: Columns = ["n", "n", "n_2", "n"].map(Column::text).into();
        let names: Vec<String> = distinct(&columns)
            .unwrap()
            .iter()
            .map(|column| column.name.to_string())
            .collect();
        assert_eq!(names, ["n", "n_2", "n_2_2", "n_3"]);
        assert_eq!(distinct(&[Column::text("a")].into()), None);
    }

    #[test]
    fn the_ledger_gives_back_what_was_left() {
        let columns: Columns = [Column {
            name: "price".into(),
            kind: ColumnKind::Number,
        }]
        .into();
        let mut builder = BatchBuilder::new(columns.clone());
        builder.push(Some(b"1.10"));
        let first = first_row(&columns, &builder.take());
        assert_eq!(first.to_string(), r#"{"price":1.10}"#);
        let output = Kept {
            outputs: outputs(&columns, 1, first),
            dataset: None,
            metrics: Metrics {
                rows: Some(1),
                ..Metrics::default()
            },
            ..Kept::default()
        };
        let text = for_ledger(&output).to_string();
        let back = from_ledger(serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(for_ledger(&back).to_string(), text);
        assert!(from_ledger(Json::Null).unwrap().outputs.is_empty());
    }
}
