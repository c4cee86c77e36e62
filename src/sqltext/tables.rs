//! The tables that a script makes, as far as its words tell.

use std::ops::Range;

use squawk_syntax::ast::{
    AddColumn, AlterTable, AlterTableAction, AstNode, Column, ColumnClause, ColumnConstraint,
    Constraint, ConstraintColumnRefList, CreateTable, GeneratedAs, GeneratedConstraint, Inherits,
    Stmt, TableArg, TableArgList, TableConstraint, Type,
};
use squawk_syntax::{SourceFile, SyntaxNode};

use super::script::{Script, ScriptStatement};
use super::syntax::with_stand_ins;
use super::{Dialect, HoleKind, Rewritten};
use crate::document::nesting::levels;

/// The name of a table. Names without quotes are in lower case, as PostgreSQL keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    pub schema: Option<String>,
    pub name: String,
}

/// What a statement does to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange {
    Create(TableDefinition),
    /// `ALTER TABLE … ADD COLUMN`.
    Add(TableName, ColumnDefinition),
    /// Something that makes it another table than its definition says.
    Unclear(TableName),
    /// From here on, names without a schema may be those of another one.
    SearchPath,
    /// Code that may do anything to the tables it names: the body of a `DO`.
    Code(String),
}

/// A `CREATE TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDefinition {
    pub name: TableName,
    /// The columns that are written down.
    pub columns: Vec<ColumnDefinition>,
    /// The tables whose columns it has, too: by `INHERITS`, `PARTITION OF` or `LIKE`.
    pub like: Vec<TableName>,
    /// Whether it has no other columns than these.
    pub complete: bool,
    /// Its name in the script.
    pub range: Range<usize>,
}

/// A column of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDefinition {
    pub name: String,
    /// In lower case: `numeric(20,8)`.
    pub type_name: String,
    /// `NOT NULL`, and nothing gives it a value by itself.
    pub required: bool,
    /// Computed: no value can be given.
    pub generated: bool,
    /// Its name in the script.
    pub range: Range<usize>,
}

/// What a script does to tables, in its order. A statement that can't be read does nothing;
/// temporary tables are no tables.
#[must_use]
pub fn table_changes(script: &Script) -> Vec<TableChange> {
    script
        .statements
        .iter()
        .flat_map(|statement| changes(script, statement))
        .collect()
}

fn changes(script: &Script, statement: &ScriptStatement) -> Vec<TableChange> {
    let text = script.statement_text(statement);
    let mut words = text.split_whitespace().map(str::to_lowercase);
    let first = words.next().unwrap_or_default();
    match first.as_str() {
        "create" | "alter" | "set" => {}
        "do" | "call" => return vec![TableChange::Code(text.to_lowercase())],
        _ => return Vec::new(),
    }
    let named = |hole: &super::Hole| matches!(hole.kind, HoleKind::Identifier(_));
    if statement.holes.iter().any(named) || levels(text) > MAX_LEVELS {
        return Vec::new();
    }
    let reader = Reader {
        sql: with_stand_ins(script, statement),
        dialect: script.dialect,
    };
    let parsed = SourceFile::parse(reader.sql.text());
    if !parsed.errors().is_empty() {
        return Vec::new();
    }
    let Some(statement) = parsed.tree().stmts().next() else {
        return Vec::new();
    };
    match statement {
        Stmt::CreateTable(create) => reader.create(&create).into_iter().collect(),
        Stmt::CreateTableAs(create) => {
            let name = create.table_name();
            let name = name.map(|name| reader.name(&text_of(&name)));
            name.map(TableChange::Unclear).into_iter().collect()
        }
        Stmt::AlterTable(alter) => reader.alter(&alter),
        Stmt::Set(_) if text.to_lowercase().contains("search_path") => {
            vec![TableChange::SearchPath]
        }
        _ => Vec::new(),
    }
}

/// The parser goes down a level for each bracket; definitions of tables have few.
const MAX_LEVELS: usize = 300;

/// Reads one statement.
struct Reader {
    sql: Rewritten,
    dialect: Dialect,
}

/// What the constraints of a column say.
#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    not_null: bool,
    key: bool,
    /// It gets a value by itself.
    default: bool,
    computed: bool,
}

impl Reader {
    fn create(&self, create: &CreateTable) -> Option<TableChange> {
        if let Some(persistence) = create.persistence()
            && text_of(&persistence).to_lowercase().contains("temp")
        {
            return None;
        }
        let name = create.table_name()?;
        let mut table = TableDefinition {
            name: self.name(&text_of(&name)),
            columns: Vec::new(),
            like: Vec::new(),
            complete: create.of_type().is_none(),
            range: self.range(name.syntax()),
        };
        let parents = create.inherits();
        let parents = parents.iter().flat_map(Inherits::table_name_refs);
        let partitioned = create.partition_of().and_then(|of| of.table_name_ref());
        table.like.extend(
            parents
                .chain(partitioned)
                .map(|parent| self.name(&text_of(&parent))),
        );
        let mut columns: Vec<(&Column, Facts)> = Vec::new();
        let arguments: Vec<TableArg> = create
            .table_arg_list()
            .iter()
            .flat_map(TableArgList::args)
            .collect();
        let (mut keys, mut filled): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for argument in &arguments {
            match argument {
                TableArg::Column(column) => columns.push((column, facts_of(column))),
                TableArg::LikeClause(like) => match like.relation_name_ref() {
                    Some(other) => table.like.push(self.name(&text_of(&other))),
                    None => table.complete = false,
                },
                TableArg::TableConstraint(TableConstraint::PrimaryKeyConstraint(key)) => {
                    let list = key.index_parameters().and_then(|index| index.column_list());
                    let names = list
                        .iter()
                        .flat_map(ConstraintColumnRefList::column_name_refs);
                    keys.extend(names.map(|name| self.part(&text_of(&name))));
                }
                TableArg::TableConstraint(TableConstraint::NotNullConstraint(not_null)) => {
                    let name = not_null.column_name_ref();
                    filled.extend(name.map(|name| self.part(&text_of(&name))));
                }
                TableArg::TableConstraint(_) => {}
            }
        }
        for (column, mut facts) in columns {
            let Some(name) = column.name() else { continue };
            let own = self.part(&text_of(&name));
            facts.key |= keys.contains(&own);
            facts.not_null |= filled.contains(&own);
            table
                .columns
                .push(self.definition(own, column.ty(), facts, name.syntax()));
        }
        Some(TableChange::Create(table))
    }

    fn alter(&self, alter: &AlterTable) -> Vec<TableChange> {
        let relation = alter.table_relation_name();
        let Some(table) = relation.and_then(|relation| relation.table_name_ref()) else {
            return Vec::new();
        };
        let table = self.name(&text_of(&table));
        let change = |action| match action {
            AlterTableAction::AddColumn(add) => self
                .added(&add)
                .map(|column| TableChange::Add(table.clone(), column)),
            AlterTableAction::DropColumn(_)
            | AlterTableAction::RenameColumn(_)
            | AlterTableAction::AlterColumn(_)
            | AlterTableAction::TableRenameTo(_)
            | AlterTableAction::SetSchema(_)
            | AlterTableAction::OfType(_)
            | AlterTableAction::InheritTable(_)
            | AlterTableAction::AttachPartition(_) => Some(TableChange::Unclear(table.clone())),
            _ => None,
        };
        alter.actions().filter_map(change).collect()
    }

    fn added(&self, add: &AddColumn) -> Option<ColumnDefinition> {
        let mut facts = Facts::default();
        for constraint in add.constraints() {
            match constraint {
                Constraint::DefaultConstraint(_) => facts.default = true,
                Constraint::GeneratedConstraint(generated) => facts.generated(&generated),
                Constraint::NotNullConstraint(_) => facts.not_null = true,
                Constraint::PrimaryKeyConstraint(_) => facts.key = true,
                _ => {}
            }
        }
        let name = add.column_name()?;
        let own = self.part(&text_of(&name));
        Some(self.definition(own, add.ty(), facts, name.syntax()))
    }

    fn definition(
        &self,
        name: String,
        r#type: Option<Type>,
        facts: Facts,
        place: &SyntaxNode,
    ) -> ColumnDefinition {
        let words = r#type.map(|r#type| text_of(&r#type)).unwrap_or_default();
        let type_name = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let type_name = type_name.to_lowercase();
        // A type of one's own may have a default of its own.
        let required = match self.dialect {
            Dialect::Postgres => (facts.not_null || facts.key) && has_no_default(&type_name),
            Dialect::Sqlite => facts.not_null && !(facts.key && type_name == "integer"),
        };
        ColumnDefinition {
            name,
            type_name,
            required: required && !facts.default,
            generated: facts.computed,
            range: self.range(place),
        }
    }

    /// `schema.table`, each part with or without quotes.
    fn name(&self, text: &str) -> TableName {
        let text = text.trim();
        let mut quoted = false;
        let dot = text.char_indices().find(|(_, c)| {
            quoted ^= *c == '"';
            *c == '.' && !quoted
        });
        match dot {
            Some((at, _)) => TableName {
                schema: Some(self.part(&text[..at])),
                name: self.part(&text[at + 1..]),
            },
            None => TableName {
                schema: None,
                name: self.part(text),
            },
        }
    }

    /// One name as the database keeps it.
    fn part(&self, text: &str) -> String {
        let text = text.trim();
        match text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
        {
            Some(inner) => inner.replace("\"\"", "\""),
            None if self.dialect == Dialect::Postgres => text.to_lowercase(),
            None => text.to_owned(),
        }
    }

    fn range(&self, node: &SyntaxNode) -> Range<usize> {
        let range = node.text_range();
        let start = self.sql.origin(usize::from(range.start()));
        start..start + usize::from(range.len())
    }
}

impl Facts {
    fn generated(&mut self, generated: &GeneratedConstraint) {
        match generated.generated_as() {
            Some(GeneratedAs::GeneratedIdentity(_)) => self.default = true,
            _ => self.computed = true,
        }
    }
}

fn facts_of(column: &Column) -> Facts {
    let mut facts = Facts::default();
    for clause in column.clauses() {
        let ColumnClause::ColumnConstraint(constraint) = clause else {
            continue;
        };
        match constraint {
            ColumnConstraint::DefaultConstraint(_) => facts.default = true,
            ColumnConstraint::GeneratedConstraint(generated) => facts.generated(&generated),
            ColumnConstraint::NotNullConstraint(_) => facts.not_null = true,
            ColumnConstraint::PrimaryKeyConstraint(_) => facts.key = true,
            _ => {}
        }
    }
    facts
}

fn text_of(node: &impl AstNode) -> String {
    node.syntax().text().to_string()
}

/// Whether it's one of PostgreSQL's own types, and none that numbers itself.
fn has_no_default(type_name: &str) -> bool {
    let word = type_name.split(['(', ' ', '[']).next().unwrap_or_default();
    [
        "bigint",
        "bit",
        "bool",
        "boolean",
        "bytea",
        "char",
        "character",
        "cidr",
        "date",
        "decimal",
        "double",
        "float",
        "float4",
        "float8",
        "inet",
        "int",
        "int2",
        "int4",
        "int8",
        "integer",
        "interval",
        "json",
        "jsonb",
        "money",
        "numeric",
        "real",
        "smallint",
        "text",
        "time",
        "timestamp",
        "timestamptz",
        "timetz",
        "uuid",
        "varchar",
        "xml",
    ]
    .contains(&word)
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
