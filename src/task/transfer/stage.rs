//! Records that a script computes with: each batch stands in a temporary table.

use crate::connection::{Dialect, LoadInput, LoadMode, LoadTarget, Session, Statement};
use crate::data::{Column, ColumnKind, Columns, RecordSource, Rejects};
use crate::sqltext::quoted_identifier;
use crate::task::TaskFailure;
use crate::task::script::{Prepared, execute};

use super::cell_type::CellType;
use super::columns::Mapping;

/// The temporary table.
pub(super) const TABLE: &str = "batch";
/// Its column with the number of a record within the batch.
pub(super) const NUMBER: &str = "batch_row";

/// What a script has done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Computed {
    /// Records that came in; rejected ones are left out.
    pub(super) rows: u64,
    /// Rows that the statements touched, all together.
    pub(super) touched: u64,
    /// Bytes that came in.
    pub(super) bytes: u64,
}

/// Puts the records of one batch into the temporary table [`TABLE`] and executes the script, within
/// the session's transaction. `records` are mapped already; `mapping` tells the types that were
/// declared for their columns. With `rejects`, records that their columns don't take are left out.
///
/// # Errors
/// A record doesn't fit its column; a statement is refused, with its place in the script.
pub(super) async fn compute(
    session: &mut dyn Session,
    prepared: &Prepared<'_>,
    mapping: &Mapping,
    records: &mut dyn RecordSource,
    rejects: Option<&Rejects>,
) -> Result<Computed, TaskFailure> {
    let dialect = session.dialect();
    let columns = records.columns().clone();
    let definition = definition(dialect, &columns, mapping);
    session.execute(&statement(definition)).await?;
    let target = LoadTarget {
        table: TABLE.to_owned(),
        columns,
        mode: LoadMode::Append,
    };
    let input = match rejects {
        Some(rejects) => LoadInput::Sifted { records, rejects },
        None => LoadInput::Records(records),
    };
    let loaded = session.load(&target, input).await?;
    if loaded.written >= ENOUGH_TO_PLAN {
        session
            .execute(&statement(format!("ANALYZE {TABLE}")))
            .await?;
    }
    let mut computed = Computed {
        rows: loaded.written,
        touched: 0,
        bytes: loaded.bytes,
    };
    for ready in &prepared.statements {
        let rows = execute(session, prepared, ready).await?;
        if !ready.part.nature.gives_rows {
            computed.touched += rows;
        }
    }
    let schema = match dialect {
        Dialect::Postgres => "pg_temp",
        Dialect::Sqlite => "temp",
    };
    session
        .execute(&statement(format!("DROP TABLE {schema}.{TABLE}")))
        .await?;
    Ok(computed)
}

/// From so many rows on the planner should know them; it costs some milliseconds.
const ENOUGH_TO_PLAN: u64 = 1_000;

fn statement(text: String) -> Statement {
    Statement {
        text,
        values: Vec::new(),
    }
}

/// The temporary table's definition.
fn definition(dialect: Dialect, columns: &Columns, mapping: &Mapping) -> String {
    let declared = |name: &str| {
        let mut fields = mapping.fields.iter().flatten();
        fields.find(|field| field.target == name)?.r#type
    };
    let mut parts: Vec<String> = columns
        .iter()
        .map(|column| {
            let r#type = declared(&column.name).unwrap_or(match column.kind {
                ColumnKind::Text => CellType::Text,
                ColumnKind::Number => CellType::Numeric,
                ColumnKind::Boolean => CellType::Boolean,
                ColumnKind::Json => CellType::Json,
            });
            let name = quoted_identifier(&column.name);
            format!("{name} {}", type_name(r#type, dialect))
        })
        .collect();
    let names_it = |column: &Column| column.name.eq_ignore_ascii_case(NUMBER);
    if !columns.iter().any(names_it) {
        parts.push(match dialect {
            Dialect::Postgres => format!("{NUMBER} bigint GENERATED ALWAYS AS IDENTITY"),
            Dialect::Sqlite => format!("{NUMBER} INTEGER PRIMARY KEY"),
        });
    }
    let end = match dialect {
        Dialect::Postgres => " ON COMMIT DROP",
        Dialect::Sqlite => "",
    };
    format!("CREATE TEMPORARY TABLE {TABLE} ({}){end}", parts.join(", "))
}

/// The temporary table's definition before any record is there: columns without a declared type
/// count as texts. `None` when only the source knows the columns.
pub(super) fn expected(dialect: Dialect, mapping: &Mapping) -> Option<String> {
    let fields = mapping.fields.as_ref()?;
    let columns = fields.iter().map(|field| Column::text(&field.target));
    Some(definition(dialect, &columns.collect(), mapping))
}

/// The type of a column, as each database calls it.
fn type_name(r#type: CellType, dialect: Dialect) -> &'static str {
    let (postgres, sqlite) = match r#type {
        CellType::Text => ("text", "TEXT"),
        CellType::Integer => ("bigint", "INTEGER"),
        CellType::Numeric => ("numeric", "NUMERIC"),
        CellType::Float => ("double precision", "REAL"),
        CellType::Boolean => ("boolean", "INTEGER"),
        CellType::Date => ("date", "TEXT"),
        CellType::Timestamp => ("timestamp with time zone", "TEXT"),
        CellType::Json => ("jsonb", "TEXT"),
    };
    match dialect {
        Dialect::Postgres => postgres,
        Dialect::Sqlite => sqlite,
    }
}
