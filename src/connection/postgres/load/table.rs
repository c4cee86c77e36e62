//! What the server knows of a table.

use sqlx::{AssertSqlSafe, Row as _};

use super::{literal, quoted_table};
use crate::connection::postgres::session::PostgresSession;
use crate::connection::table::missing_table;
use crate::connection::{DatabaseError, TableColumn, TableShape};

/// A table as a load sees it.
pub(super) struct Table {
    pub(super) shape: TableShape,
    /// An ordinary table: neither partitioned nor foreign, nor a view.
    pub(super) plain: bool,
    pub(super) partitioned: bool,
    /// Another table's foreign key leads here: it can't be truncated.
    pub(super) referenced: bool,
}

/// What the server knows of a table.
pub(in crate::connection::postgres) async fn describe(
    session: &mut PostgresSession,
    name: &str,
) -> Result<TableShape, DatabaseError> {
    find(session, name).await.map(|table| table.shape)
}

pub(super) async fn find(
    session: &mut PostgresSession,
    name: &str,
) -> Result<Table, DatabaseError> {
    let sql = format!(
        "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod),
            (a.attgenerated <> '')::text, (a.attidentity = 'a')::text, c.relkind::text,
            coalesce(array_position(i.indkey::int2[], a.attnum), -1)::text,
            EXISTS (SELECT FROM pg_constraint f
                WHERE f.confrelid = c.oid AND f.contype = 'f' AND f.conrelid <> c.oid)::text,
            (a.attnotnull AND NOT a.atthasdef AND a.attidentity = '')::text
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
        WHERE c.oid = to_regclass({})
        ORDER BY a.attnum",
        literal(&quoted_table(name))
    );
    let rows = rows(session, &sql).await?;
    let Some(first) = rows.first() else {
        return Err(missing_table(name, &names(session).await?));
    };
    let (kind, referenced) = (first[4].as_str(), first[6] == "true");
    let mut key: Vec<(i32, String)> = rows
        .iter()
        .filter_map(|row| {
            let place: i32 = row[5].parse().ok()?;
            (place >= 0).then(|| (place, row[0].clone()))
        })
        .collect();
    key.sort();
    Ok(Table {
        plain: kind == "r",
        partitioned: kind == "p",
        referenced,
        shape: TableShape {
            name: name.to_owned(),
            primary_key: key.into_iter().map(|(_, name)| name).collect(),
            columns: rows
                .iter()
                .map(|row| TableColumn {
                    name: row[0].clone(),
                    type_name: row[1].clone(),
                    generated: row[2] == "true",
                    required: row[7] == "true",
                    identity_always: row[3] == "true",
                })
                .collect(),
        },
    })
}

/// Tables that can be loaded, as people would write them.
async fn names(session: &mut PostgresSession) -> Result<Vec<String>, DatabaseError> {
    let sql = "SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname::text
            ELSE n.nspname || '.' || c.relname END
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'f', 'v')
            AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'runner')
        ORDER BY 1 LIMIT 1000";
    let rows = rows(session, sql).await?;
    Ok(rows.into_iter().flatten().collect())
}

async fn rows(session: &mut PostgresSession, sql: &str) -> Result<Vec<Vec<String>>, DatabaseError> {
    let query = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut session.connection);
    let rows = match session.notices.clone().during(query).await {
        Ok(rows) => rows,
        Err(error) => return Err(session.failed(error, sql, |offset| offset)),
    };
    let cells = |row: &sqlx::postgres::PgRow| {
        (0..row.len())
            .map(|at| row.try_get_unchecked(at))
            .collect::<Result<Vec<String>, _>>()
    };
    let read: Result<_, sqlx::Error> = rows.iter().map(cells).collect();
    read.map_err(|error| session.failed(error, sql, |offset| offset))
}
