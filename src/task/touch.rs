//! What tasks do to databases and topics, as far as their definitions tell: it's checked before they run.

use crate::document::Span;

use super::SqlCode;

/// Something that a task does to a database or a topic.
#[derive(Debug)]
pub struct Touch<'a> {
    /// The name of the connection.
    pub connection: &'a str,
    pub deed: Deed<'a>,
}

/// What it does.
#[derive(Debug)]
pub enum Deed<'a> {
    /// It sends statements.
    Script {
        code: &'a SqlCode,
        /// Whether they are one transaction.
        transaction: bool,
        /// What the statements find beside the tables of the database.
        stage: Stage,
    },
    /// It loads records into a table.
    Load(Load<'a>),
    /// It asks something that isn't written down as a statement.
    Question {
        /// One query, its values as `$1`, `$2` ….
        text: String,
        /// What it is asked for.
        place: Span,
    },
    /// It reads or writes a topic.
    Topic {
        /// Its name; `None` when a template says it.
        name: Option<&'a str>,
        /// Where its name stands.
        place: Span,
    },
    /// It makes a topic, or sees that it is there.
    Declaration {
        /// Its name; `None` when a template says it.
        name: Option<&'a str>,
        /// The partitions that it has at least.
        partitions: u32,
        /// Where its name stands.
        place: Span,
    },
}

/// A temporary table that is there when statements are executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// There is none.
    None,
    /// Its columns are known when the records are.
    Unknown,
    /// The statement that makes it.
    Table(String),
}

/// A load into a table.
#[derive(Debug)]
pub struct Load<'a> {
    /// The table, `table` or `schema.table` without quotes; `None` when a template says it.
    pub table: Option<&'a str>,
    /// Where its name stands.
    pub place: Span,
    /// The columns that get values; `None` when they are those of the source.
    pub columns: Option<Vec<LoadColumn<'a>>>,
    /// The columns that tell rows apart, when they are given, and where they stand.
    pub key: Option<(&'a [String], Span)>,
}

/// A column that gets values.
#[derive(Debug)]
pub struct LoadColumn<'a> {
    pub name: &'a str,
    /// The type that its values are declared to have, in the words of `columns:`.
    pub r#type: Option<&'static str>,
    /// The columns of the source that its value is made of.
    pub reads: Vec<&'a str>,
    /// Whether its value is a column of the source as it is.
    pub is_plain: bool,
    /// Where its name stands.
    pub place: Span,
}
