//! Bulk loads: a batch of rows is one statement.

use serde_json::Value as Json;

use super::session::SqliteSession;
use crate::connection::{DatabaseError, LoadInput, LoadMode, LoadTarget, Loaded};
use crate::data::Batch;

/// Loads records into a table.
pub(super) async fn load(
    session: &mut SqliteSession,
    target: &LoadTarget,
    input: LoadInput<'_>,
) -> Result<Loaded, DatabaseError> {
    let LoadInput::Records(source) = input else {
        return Err(DatabaseError::refused("SQLite has no bulk format"));
    };
    if target.mode != LoadMode::Append {
        return Err(DatabaseError::refused(
            "this mode of loading isn't there yet",
        ));
    }
    let names: Vec<String> = target
        .columns
        .iter()
        .map(|column| quoted(&column.name))
        .collect();
    let cells: Vec<String> = (0..names.len())
        .map(|index| format!("value ->> {index}"))
        .collect();
    let statement = format!(
        "INSERT INTO {} ({}) SELECT {} FROM json_each($1)",
        quoted(&target.table),
        names.join(", "),
        cells.join(", ")
    );
    let mut loaded = Loaded::default();
    while let Some(batch) = source.next().await? {
        loaded.rows += batch.rows() as u64;
        loaded.bytes += batch.bytes() as u64;
        loaded.written += session
            .run(&statement, &[Json::String(as_json(&batch))])
            .await?;
    }
    Ok(loaded)
}

fn as_json(batch: &Batch) -> String {
    let rows = (0..batch.rows()).map(|row| {
        let cells = batch.row(row).map(|cell| match cell {
            Some(cell) => Json::String(String::from_utf8_lossy(cell).into_owned()),
            None => Json::Null,
        });
        Json::Array(cells.collect())
    });
    Json::Array(rows.collect()).to_string()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
