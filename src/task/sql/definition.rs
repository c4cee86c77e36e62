//! What the YAML says.

use std::sync::Arc;

use schemars::Schema;

use super::script::{Code, Filling};
use crate::connection::{Dialect, KINDS};
use crate::document::{Diagnostic, FromNode as _, Map, Node, Spanned};
use crate::model::ConnectionId;
use crate::sqltext::Script;
use crate::task::Surroundings;
use crate::template::TemplateValue;

crate::choice! {
    /// What is one transaction.
    pub enum Transaction as "transaction" {
        /// The whole script.
        One = "one",
        /// Each statement by itself.
        None = "none",
    }
}

crate::record! {
    /// Executes SQL.
    pub struct Definition as "a sql task" {
        /// The database.
        connection: Spanned<String>,
        /// A file of statements, in the project.
        file: Option<Spanned<String>>,
        /// The statements, in place of `file`.
        script: Option<Spanned<String>>,
        /// More names for `:name`, beside the DAG's parameters: values or templates.
        params: Map<Node>,
        /// `one`: all statements or none. `none`: each by itself, for those that can't be in one.
        transaction: Transaction = "one" => Transaction::One,
    }
}

/// A checked task.
#[derive(Debug)]
pub struct Sql {
    pub(super) connection: ConnectionId,
    pub(super) code: Code,
    /// How each hole of each statement is filled, in the order of the script.
    pub(super) fillings: Vec<Vec<Filling>>,
    /// Whether the script is one transaction.
    pub(super) transaction: bool,
    /// Whether no statement writes, as far as its words tell.
    pub(super) reads_only: bool,
}

pub(super) fn schema() -> Schema {
    let mut schema = Definition::schema();
    let object = schema.ensure_object();
    object.insert(
        "oneOf".to_owned(),
        serde_json::json!([{ "required": ["file"] }, { "required": ["script"] }]),
    );
    schema
}

pub(super) fn read(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Sql> {
    let read = Definition::from_node(node, surroundings.report)?;
    let kinds: Vec<&str> = KINDS
        .iter()
        .map(|kind| kind.name)
        .filter(|name| matches!(*name, "postgres" | "sqlite"))
        .collect();
    let connection = surroundings.connection(&read.connection, &kinds);
    let params = read_params(&read.params, surroundings);
    let code = read_code(&read, surroundings);
    let dialect = surroundings
        .project
        .dialect(&read.connection)
        .unwrap_or(Dialect::Postgres);
    let code = code?.parsed(dialect);
    // Without its connection the dialect is a guess.
    let fillings = connection
        .as_ref()
        .and_then(|_| code.check(&params?, read.transaction, surroundings));
    let reads_only = code
        .script
        .statements
        .iter()
        .all(|statement| statement.nature.reads_only);
    Some(Sql {
        connection: connection?,
        fillings: fillings?,
        transaction: read.transaction == Transaction::One,
        reads_only,
        code,
    })
}

fn read_params(
    params: &Map<Node>,
    surroundings: &mut Surroundings<'_>,
) -> Option<Vec<(String, TemplateValue)>> {
    let read: Vec<_> = params
        .0
        .iter()
        .map(|(name, node)| Some((name.value.clone(), surroundings.template_value(node)?)))
        .collect();
    read.into_iter().collect()
}

/// A script before its dialect is known.
struct Unparsed {
    name: String,
    text: Arc<str>,
    place: super::script::Home,
}

impl Unparsed {
    fn parsed(self, dialect: Dialect) -> Code {
        Code {
            script: Script::parse(&self.text, dialect),
            name: self.name,
            home: self.place,
        }
    }
}

fn read_code(read: &Definition, surroundings: &mut Surroundings<'_>) -> Option<Unparsed> {
    match (&read.file, &read.script) {
        (Some(file), None) => {
            let found = surroundings.code_file(file)?;
            Some(Unparsed {
                name: found.path,
                text: found.text,
                place: super::script::Home::File(found.source),
            })
        }
        (None, Some(script)) => Some(Unparsed {
            name: format!("{}.sql.script", surroundings.task),
            text: script.value.as_str().into(),
            place: super::script::Home::Inline(script.clone()),
        }),
        (Some(_), Some(script)) => {
            surroundings.report.push(
                Diagnostic::error(
                    "two-scripts",
                    "`file` and `script` are both given",
                    script.span,
                )
                .label("remove one of them"),
            );
            None
        }
        (None, None) => {
            surroundings.report.push(
                Diagnostic::error(
                    "missing-key",
                    "a sql task needs `file` or `script`",
                    read.span,
                )
                .label("add `file:`")
                .help("such as `file: sql/migration.sql`"),
            );
            None
        }
    }
}
