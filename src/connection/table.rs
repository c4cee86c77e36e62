//! What a database knows of a table, as far as loads need it.

use crate::document::nearest;

use super::DatabaseError;

/// A table and its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableShape {
    /// As it was asked for: `table` or `schema.table`.
    pub name: String,
    pub columns: Vec<TableColumn>,
    /// The columns of the primary key, in its order; empty without one.
    pub primary_key: Vec<String>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    pub name: String,
    /// As the database writes it: `numeric(20,8)`.
    pub type_name: String,
    /// Computed by the database: no value can be given.
    pub generated: bool,
    /// `NOT NULL`, and nothing gives it a value by itself.
    pub required: bool,
    /// Numbered by the database unless a value forces itself (`GENERATED ALWAYS AS IDENTITY`).
    pub identity_always: bool,
}

impl TableShape {
    /// The column of a name.
    ///
    /// # Errors
    /// There is none: with the nearest name.
    pub fn column(&self, name: &str) -> Result<&TableColumn, DatabaseError> {
        if let Some(column) = self.columns.iter().find(|column| column.name == name) {
            return Ok(column);
        }
        let names = self.columns.iter().map(|column| column.name.as_str());
        let hint = match nearest(name, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", listed(names)),
        };
        Err(refused_with_hint(
            &format!("table `{}` has no column `{name}`", self.name),
            &hint,
        ))
    }

    /// Checks that every column exists and takes values.
    ///
    /// # Errors
    /// The first that doesn't.
    pub fn check<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<(), DatabaseError> {
        for name in names {
            if self.column(name)?.generated {
                return Err(refused_with_hint(
                    &format!(
                        "column `{name}` of table `{}` is computed by the database",
                        self.name
                    ),
                    "leave it out of `columns:`",
                ));
            }
        }
        Ok(())
    }

    /// The key of a load: the given columns, or the primary key.
    ///
    /// # Errors
    /// There is neither; the load doesn't bring one of its columns.
    pub fn key(&self, given: &[String], loaded: &[&str]) -> Result<Vec<String>, DatabaseError> {
        let key = if given.is_empty() {
            &self.primary_key[..]
        } else {
            given
        };
        if key.is_empty() {
            return Err(refused_with_hint(
                &format!("table `{}` has no primary key", self.name),
                "add `key: [column, …]`, the columns of a unique index",
            ));
        }
        for name in key {
            self.column(name)?;
            if !loaded.contains(&name.as_str()) {
                return Err(refused_with_hint(
                    &format!("the records have no `{name}`, which is part of the key"),
                    &format!("the records have {}", listed(loaded.iter().copied())),
                ));
            }
        }
        Ok(key.to_vec())
    }
}

/// "table `x` doesn't exist", with the nearest of those that do.
#[must_use]
pub(super) fn missing_table(name: &str, known: &[String]) -> DatabaseError {
    let known = || known.iter().map(String::as_str);
    let hint = match nearest(name, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known().count() == 0 => "the database has no tables".to_owned(),
        None => format!("there is {}", listed(known())),
    };
    refused_with_hint(&format!("table `{name}` doesn't exist"), &hint)
}

fn refused_with_hint(message: &str, hint: &str) -> DatabaseError {
    DatabaseError::refused(format!("{message}: {hint}"))
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        names if names.len() > 30 => format!("{}, …", names[..30].join(", ")),
        names => names.join(", "),
    }
}
