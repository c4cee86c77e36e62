//! What the YAML says.

use schemars::Schema;

use crate::connection::KINDS;
use crate::document::{FromNode as _, Map, Node, Spanned};
use crate::model::ConnectionId;
use crate::task::Surroundings;
use crate::task::script::{Checked, Frame, Given, either};

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
    pub(super) script: Checked,
    /// Whether the script is one transaction.
    pub(super) transaction: bool,
    /// Whether no statement writes, as far as its words tell.
    pub(super) reads_only: bool,
}

pub(super) fn schema() -> Schema {
    either(Definition::schema(), "script")
}

pub(super) fn read(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Sql> {
    let read = Definition::from_node(node, surroundings.report)?;
    let kinds: Vec<&str> = KINDS
        .iter()
        .map(|kind| kind.name)
        .filter(|name| matches!(*name, "postgres" | "sqlite"))
        .collect();
    let connection = surroundings.connection(&read.connection, &kinds);
    let given = Given {
        file: read.file.as_ref(),
        text: read.script.as_ref(),
        key: "script",
        span: read.span,
        what: "a sql task",
        at: "sql",
    };
    let dialect = connection
        .as_ref()
        .and_then(|_| surroundings.project.dialect(&read.connection));
    let frame = match read.transaction {
        Transaction::One => Frame::OneByChoice,
        Transaction::None => Frame::None,
    };
    let script = given.check(&read.params, dialect, frame, surroundings)?;
    let reads_only = script
        .code
        .script
        .statements
        .iter()
        .all(|statement| statement.nature.reads_only);
    Some(Sql {
        connection: connection?,
        script,
        transaction: read.transaction == Transaction::One,
        reads_only,
    })
}
