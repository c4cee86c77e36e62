//! Loads against the tables that the project's own SQL makes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pipeline::Pipeline;
use crate::document::{Diagnostic, Span, nearest};
use crate::model::DagId;
use crate::sqltext::{
    ColumnDefinition, Dialect, TableChange, TableDefinition, TableName, table_changes,
};
use crate::task::{Deed, Load, LoadColumn, SqlCode};

/// What the project's SQL does to the tables of one connection.
#[derive(Default)]
struct Tables<'a> {
    made: Vec<(TableDefinition, &'a SqlCode)>,
    added: Vec<(TableName, ColumnDefinition, &'a SqlCode)>,
    unclear: Vec<TableName>,
    code: Vec<String>,
    dialect: Option<Dialect>,
}

/// A table as all definitions of its name have it together.
#[derive(Default)]
struct Merged<'a> {
    columns: Vec<(ColumnDefinition, &'a SqlCode)>,
    /// Whether there are no other columns.
    complete: bool,
}

/// The columns of loads that their tables don't have or miss, by DAG. A table that no SQL of the
/// project makes is left alone, and so is one that is changed in a way that isn't followed.
pub(super) fn misfits(pipelines: &BTreeMap<DagId, Arc<Pipeline>>) -> Vec<(DagId, Diagnostic)> {
    let mut by_connection: BTreeMap<&str, Tables<'_>> = BTreeMap::new();
    let mut loads: Vec<(&DagId, &str, Load<'_>)> = Vec::new();
    let mut read: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (dag, pipeline) in pipelines {
        let tasks = pipeline.tasks.iter();
        for touch in tasks.flat_map(|task| task.action.touches()) {
            match touch.deed {
                Deed::Script { code, .. } => {
                    // Pipelines may share a file.
                    if read.insert((touch.connection, &code.script.text)) {
                        by_connection.entry(touch.connection).or_default().add(code);
                    }
                }
                Deed::Load(load) => loads.push((dag, touch.connection, load)),
                Deed::Question { .. } | Deed::Topic { .. } | Deed::Declaration { .. } => {}
            }
        }
    }
    let mut found = Vec::new();
    for (dag, connection, load) in &loads {
        if let Some(tables) = by_connection.get(connection) {
            let misfits = tables.check(load);
            found.extend(misfits.into_iter().map(|misfit| ((*dag).clone(), misfit)));
        }
    }
    found
}

impl<'a> Tables<'a> {
    fn add(&mut self, code: &'a SqlCode) {
        self.dialect = Some(code.script.dialect);
        let mut elsewhere = false;
        for change in table_changes(&code.script) {
            // Names without a schema may be those of any.
            let lost = |name: &TableName| elsewhere && name.schema.is_none();
            match change {
                TableChange::Create(table) if lost(&table.name) => self.unclear.push(table.name),
                TableChange::Create(table) => self.made.push((table, code)),
                TableChange::Add(table, column) if !lost(&table) => {
                    self.added.push((table, column, code));
                }
                TableChange::Unclear(table) => self.unclear.push(table),
                TableChange::SearchPath => elsewhere = true,
                TableChange::Code(text) => self.code.push(text),
                TableChange::Add(..) => {}
            }
        }
    }

    fn check(&self, load: &Load<'_>) -> Vec<Diagnostic> {
        let (Some(name), Some(columns)) = (load.table, &load.columns) else {
            return Vec::new();
        };
        let wanted = match name.split_once('.') {
            Some((schema, name)) => TableName {
                schema: Some(schema.to_owned()),
                name: name.to_owned(),
            },
            None => TableName {
                schema: None,
                name: name.to_owned(),
            },
        };
        let Some(table) = self.merged(&wanted, 0) else {
            return Vec::new();
        };
        let mut found: Vec<Diagnostic> = Vec::new();
        for column in columns {
            found.extend(table.misfit(name, column));
        }
        if let Some((key, place)) = load.key {
            for part in key {
                if columns.iter().any(|column| column.name == *part) {
                    continue;
                }
                found.push(match table.column(part) {
                    Some(_) => Diagnostic::error(
                        "missing-column",
                        format!("`{part}` is part of the key, but `columns` doesn't give it"),
                        place,
                    )
                    .label(format!("add `{part}` to `columns`")),
                    None if table.complete => table.unknown(name, part, place),
                    None => continue,
                });
            }
        }
        // A slip of the pen isn't also a missing column.
        let meant = |name: &str| {
            let wrong = columns
                .iter()
                .filter(|given| table.column(given.name).is_none());
            let names = || table.columns.iter().map(|(column, _)| column.name.as_str());
            wrong
                .into_iter()
                .any(|given| nearest(given.name, names()) == Some(name))
        };
        let missing = table.columns.iter().filter(|(column, _)| {
            let given = columns.iter().any(|given| given.name == column.name);
            column.required && !given && !meant(&column.name)
        });
        found.extend(missing.map(|(column, code)| missing_column(name, column, code, load.place)));
        found
    }

    /// What is known of a table; `None` when nothing is, or nothing that holds.
    fn merged(&self, name: &TableName, depth: usize) -> Option<Merged<'a>> {
        let same = |other: &&TableName| self.is_same(name, other);
        let in_code = |code: &String| code.contains(&name.name.to_lowercase());
        if depth > MAX_DEPTH
            || self.unclear.iter().any(|other| same(&other))
            || self.code.iter().any(in_code)
        {
            return None;
        }
        let mut definitions = self
            .made
            .iter()
            .filter(|(table, _)| same(&&table.name))
            .map(|(table, code)| self.whole(table, code, depth));
        let mut merged = definitions.next()?;
        for other in definitions {
            merged.join(other);
        }
        for (_, column, code) in self.added.iter().filter(|(table, ..)| same(&table)) {
            if merged.column(&column.name).is_none() {
                merged.columns.push((column.clone(), code));
            }
        }
        Some(merged)
    }

    /// A definition with the columns it has from others.
    fn whole(&self, table: &TableDefinition, code: &'a SqlCode, depth: usize) -> Merged<'a> {
        let mut whole = Merged {
            columns: Vec::new(),
            complete: table.complete,
        };
        for parent in &table.like {
            match self.merged(parent, depth + 1) {
                Some(parent) => {
                    whole.complete &= parent.complete;
                    whole.columns.extend(parent.columns);
                }
                None => whole.complete = false,
            }
        }
        for column in &table.columns {
            whole.columns.retain(|(other, _)| other.name != column.name);
            whole.columns.push((column.clone(), code));
        }
        whole
    }

    fn is_same(&self, one: &TableName, other: &TableName) -> bool {
        let equal = |a: &str, b: &str| match self.dialect {
            Some(Dialect::Sqlite) => a.eq_ignore_ascii_case(b),
            _ => a == b,
        };
        let home = match self.dialect {
            Some(Dialect::Sqlite) => "main",
            _ => "public",
        };
        let schema = |name: &TableName| name.schema.clone().unwrap_or_else(|| home.to_owned());
        equal(&one.name, &other.name) && equal(&schema(one), &schema(other))
    }
}

/// How far tables that inherit are followed: nobody has more, and a circle ends.
const MAX_DEPTH: usize = 16;

impl<'a> Merged<'a> {
    fn column(&self, name: &str) -> Option<&(ColumnDefinition, &'a SqlCode)> {
        self.columns.iter().find(|(column, _)| column.name == name)
    }

    /// Another definition of the same table, of which nobody knows which one made it: it has the
    /// columns of both, and needs only what both need.
    fn join(&mut self, other: Self) {
        self.complete &= other.complete;
        for (column, _) in &mut self.columns {
            let also = other.column(&column.name);
            column.required &= also.is_some_and(|(also, _)| also.required);
            column.generated &= also.is_some_and(|(also, _)| also.generated);
        }
        for (mut column, code) in other.columns {
            if self.column(&column.name).is_none() {
                column.required = false;
                self.columns.push((column, code));
            }
        }
    }

    fn misfit(&self, table: &str, given: &LoadColumn<'_>) -> Option<Diagnostic> {
        let Some((column, code)) = self.column(given.name) else {
            return self
                .complete
                .then(|| self.unknown(table, given.name, given.place));
        };
        column.generated.then(|| {
            Diagnostic::error(
                "computed-column",
                format!(
                    "column `{}` of table `{table}` is computed by the database",
                    given.name
                ),
                given.place,
            )
            .label("leave it out")
            .related(code.place(column.range.clone()), "computed here")
        })
    }

    fn unknown(&self, table: &str, name: &str, place: Span) -> Diagnostic {
        let diagnostic = Diagnostic::error(
            "unknown-column",
            format!("table `{table}` has no column `{name}`"),
            place,
        );
        let names = || self.columns.iter().map(|(column, _)| column.name.as_str());
        let near = nearest(name, names());
        let origin = near.or(names().next()).and_then(|name| self.column(name));
        let diagnostic = if let Some(near) = near {
            diagnostic.label(format!("did you mean `{near}`?"))
        } else {
            let names: Vec<String> = names().map(|name| format!("`{name}`")).collect();
            diagnostic.help(format!("it has {}", names.join(", ")))
        };
        match origin {
            Some((column, code)) => {
                let text = if near.is_some() {
                    "it is here"
                } else {
                    "its first column"
                };
                diagnostic.related(code.place(column.range.clone()), text)
            }
            None => diagnostic,
        }
    }
}

fn missing_column(
    table: &str,
    column: &ColumnDefinition,
    code: &SqlCode,
    place: Span,
) -> Diagnostic {
    let name = &column.name;
    Diagnostic::error(
        "missing-column",
        format!("column `{name}` of table `{table}` needs a value, but `columns` doesn't give it"),
        place,
    )
    .label(format!("add `{name}` to `columns`"))
    .related(
        code.place(column.range.clone()),
        "it is NOT NULL and has no default",
    )
}
