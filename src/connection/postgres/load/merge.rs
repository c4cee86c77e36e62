//! Rows that meet rows with the same key.
//!
//! They are copied into a temporary table first, numbered in their order, and go on from there in
//! one statement.

use super::{pour, quoted, quoted_list};
use crate::connection::postgres::session::PostgresSession;
use crate::connection::{DatabaseError, LoadInput, Loaded, TableShape};

/// The temporary table.
const STAGE: &str = "runner_load";
/// The number of a row in the load.
const NUMBER: &str = "runner_row";

pub(super) struct Merge<'a> {
    shape: &'a TableShape,
    table: &'a str,
    names: &'a [&'a str],
}

impl<'a> Merge<'a> {
    pub(super) fn new(shape: &'a TableShape, table: &'a str, names: &'a [&'a str]) -> Self {
        Self {
            shape,
            table,
            names,
        }
    }

    /// Copies the input aside and executes `statement`, which takes it from there.
    pub(super) async fn load(
        &self,
        session: &mut PostgresSession,
        input: LoadInput<'_>,
        statement: &str,
    ) -> Result<Loaded, DatabaseError> {
        let columns = quoted_list(self.names);
        session
            .simple(&format!(
                "CREATE TEMPORARY TABLE {STAGE} ON COMMIT DROP AS
                    SELECT {columns} FROM {} WITH NO DATA;
                ALTER TABLE {STAGE} ADD COLUMN {NUMBER} bigint GENERATED ALWAYS AS IDENTITY",
                self.table
            ))
            .await?;
        let into = format!("{STAGE} ({columns})");
        let loaded = pour::pour(session, &into, false, input).await?;
        session.simple(&format!("ANALYZE {STAGE}")).await?;
        let written = session.simple(statement).await?;
        session.simple(&format!("DROP TABLE {STAGE}")).await?;
        Ok(Loaded { written, ..loaded })
    }

    /// Of several rows with one key the last one counts; rows with a NULL in their key never
    /// meet others.
    pub(super) fn upsert(&self, key: &[String]) -> String {
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        let (columns, keys) = (quoted_list(self.names), quoted_list(&key));
        let no_key: Vec<String> = key
            .iter()
            .map(|name| format!("{} IS NULL", quoted(name)))
            .collect();
        let alone = format!("CASE WHEN {} THEN {NUMBER} END", no_key.join(" OR "));
        let updates: Vec<String> = self
            .names
            .iter()
            .filter(|name| !key.contains(name) && !self.is_identity(name))
            .map(|name| format!("{0} = EXCLUDED.{0}", quoted(name)))
            .collect();
        let action = if updates.is_empty() {
            "DO NOTHING".to_owned()
        } else {
            format!("DO UPDATE SET {}", updates.join(", "))
        };
        format!(
            "INSERT INTO {} ({columns}){} SELECT DISTINCT ON ({keys}, {alone}) {columns} FROM {STAGE}
            ORDER BY {keys}, {alone}, {NUMBER} DESC ON CONFLICT ({keys}) {action}",
            self.table,
            self.overriding(),
        )
    }

    /// Of several new rows with one key the first one counts.
    pub(super) fn insert_new(&self, key: &[String]) -> String {
        let columns = quoted_list(self.names);
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        let conflict = if key.is_empty() {
            String::new()
        } else {
            format!(" ({})", quoted_list(&key))
        };
        format!(
            "INSERT INTO {} ({columns}){} SELECT {columns} FROM {STAGE} ORDER BY {NUMBER}
            ON CONFLICT{conflict} DO NOTHING",
            self.table,
            self.overriding(),
        )
    }

    /// A value that is loaded counts more than the one the server would make, as in COPY.
    fn overriding(&self) -> &'static str {
        if self.names.iter().any(|name| self.is_identity(name)) {
            " OVERRIDING SYSTEM VALUE"
        } else {
            ""
        }
    }

    fn is_identity(&self, name: &str) -> bool {
        self.shape
            .columns
            .iter()
            .any(|column| column.name == name && column.identity_always)
    }
}
