//! Bulk loads through COPY.

mod encode;
mod merge;
mod pour;
mod sift;
mod table;

use super::session::PostgresSession;
use crate::connection::{DatabaseError, LoadInput, LoadMode, LoadTarget, Loaded, ReplaceBy};

pub(super) use pour::copy_in;
pub(super) use table::describe;

/// Loads records or raw bytes into a table.
pub(super) async fn load(
    session: &mut PostgresSession,
    target: &LoadTarget,
    input: LoadInput<'_>,
) -> Result<Loaded, DatabaseError> {
    let table = table::find(session, &target.table).await?;
    let names: Vec<&str> = target.columns.iter().map(|column| &*column.name).collect();
    table.shape.check(names.iter().copied())?;
    let quoted = quoted_table(&target.table);
    let columns = quoted_list(&names);
    let into = format!("{quoted} ({columns})");
    match &target.mode {
        LoadMode::Append => pour::pour(session, &into, false, input).await,
        LoadMode::Replace { by } => {
            // Rows of tables that inherit are not this table's own. Those of partitions are.
            let only = if table.partitioned { "" } else { "ONLY " };
            let truncate = *by == ReplaceBy::Truncate && !table.referenced;
            if truncate {
                let sql = format!("TRUNCATE {only}{quoted}");
                session.simple(&sql).await?;
            } else {
                // Two replacements at once would leave the rows of both: the second one waits.
                let sql = format!("LOCK TABLE {only}{quoted} IN SHARE ROW EXCLUSIVE MODE");
                session.simple(&sql).await?;
                session
                    .simple(&format!("DELETE FROM {only}{quoted}"))
                    .await?;
            }
            // A transaction whose snapshot is older finds the truncated table; with frozen rows
            // it finds the new ones there, never an empty table. Later readers are quicker, too:
            // there is nothing left to mark or to vacuum.
            let freeze = truncate && table.plain && !matches!(input, LoadInput::Sifted { .. });
            pour::pour(session, &into, freeze, input).await
        }
        LoadMode::Upsert { key } => {
            let key = table.shape.key(key, &names)?;
            let merge = merge::Merge::new(&table.shape, &quoted, &names);
            merge.load(session, input, &merge.upsert(&key)).await
        }
        LoadMode::InsertNew { key } => {
            let merge = merge::Merge::new(&table.shape, &quoted, &names);
            let key = if key.is_empty() {
                Vec::new()
            } else {
                table.shape.key(key, &names)?
            };
            merge.load(session, input, &merge.insert_new(&key)).await
        }
    }
}

/// `schema.table` as quoted identifiers.
fn quoted_table(table: &str) -> String {
    let parts: Vec<String> = table.splitn(2, '.').map(quoted).collect();
    parts.join(".")
}

fn quoted_list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    names.join(", ")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal, whatever `standard_conforming_strings` is.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
