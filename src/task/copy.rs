//! Moves records from a source to a sink, without holding them in memory.

mod cell_type;
mod columns;
mod files;
mod keep;
mod load;
mod mapped;
mod path;
mod query;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod values;
mod write;

use async_trait::async_trait;

use self::columns::{Mapping, RawColumns};
use self::sink::{Sink, To};
use self::source::{From, Source};
use super::{AttemptContext, Surroundings, Task, TaskFailure, TaskKind, TaskResult};
use crate::connection::Database;
use crate::data::Rejects;
use crate::document::{Diagnostic, FromNode, Node, Spanned};
use crate::template::Template;

pub(super) const KIND: TaskKind = TaskKind {
    name: "copy",
    doc: "Moves records from files, a dataset or a query to a table, a file or the task's own \
dataset, as a stream in constant memory. A load into a database is one transaction and happens \
once, a file appears when it is complete. In a CSV file NULL is an empty field, an empty text is \
`\"\"`, as PostgreSQL reads and writes it.",
    example: include_str!("copy/example.yaml"),
    schema: Copy::schema,
    parse,
};

crate::record! {
    /// Moves records from a source to a sink.
    struct Copy as "a copy" {
        /// Where the records come from.
        from: From,
        /// Where they go. The task's own dataset when left out.
        to: Option<To>,
        /// The columns of the target and where their values come from: a path into the record (`market.name`, `list[0]`), a template over it (`{{ (ask - bid) * 100 / ask }}`), or `{ from: …, type: … }`; or a list of names to keep. All columns under their own names when left out.
        columns: Option<RawColumns>,
        /// An expression over the record: only records for which it is true are copied.
        r#where: Option<Spanned<String>>,
        /// What becomes of a record that can't be read or that the table refuses.
        on_error: OnError = "fail" => OnError::Fail,
        /// The file that takes the rejected records with file, line, column, value and reason (CSV or NDJSON by its extension). Needs `on_error: skip`.
        rejects: Option<Spanned<String>>,
    }
}

crate::choice! {
    /// What becomes of a bad record.
    enum OnError as "way to handle an error" {
        /// The task fails at the first one, and nothing is copied.
        Fail = "fail",
        /// It is left out, and counted.
        Skip = "skip",
    }
}

/// A checked copy.
#[derive(Debug)]
struct CopyTask {
    from: Source,
    to: Sink,
    mapping: Mapping,
    on_error: OnError,
    rejects: Option<Template>,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    let copy = Copy::from_node(node, surroundings.report)?;
    let from = Source::read(&copy.from, surroundings);
    let to = match &copy.to {
        Some(to) => Sink::read(to, surroundings),
        None => Some(Sink::Dataset),
    };
    let mapping = Mapping::read(copy.columns.as_ref(), copy.r#where.as_ref(), surroundings);
    let rejects = match &copy.rejects {
        Some(path) => {
            if copy.on_error == OnError::Fail {
                surroundings.report.push(
                    Diagnostic::error(
                        "conflicting-keys",
                        "`rejects` needs `on_error: skip`: otherwise the first bad record fails the task",
                        path.span,
                    )
                    .help("add `on_error: skip`"),
                );
            }
            Some(surroundings.template(path)?)
        }
        None => None,
    };
    Some(Box::new(CopyTask {
        from: from?,
        to: to?,
        mapping: mapping?,
        on_error: copy.on_error,
        rejects,
    }))
}

#[async_trait]
impl Task for CopyTask {
    async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        match &self.to {
            Sink::Table(table) => load::run(self, table, attempt).await,
            Sink::File(file) => write::run(self, Some(file), attempt).await,
            Sink::Dataset => write::run(self, None, attempt).await,
        }
    }

    fn connections(&self) -> Vec<&str> {
        let to = match &self.to {
            Sink::Table(table) => Some(table.connection.as_str()),
            _ => None,
        };
        self.from.connection().into_iter().chain(to).collect()
    }
}

impl CopyTask {
    /// The taker of bad records, when they are skipped.
    fn rejects(&self, attempt: &AttemptContext) -> Result<Option<Rejects>, TaskFailure> {
        if self.on_error == OnError::Fail {
            return Ok(None);
        }
        let path = match &self.rejects {
            Some(path) => Some(attempt.places.root.join(path.render(&attempt.scope)?)),
            None => None,
        };
        Ok(Some(Rejects::create(path)?))
    }

    /// Tells of bad records in the log.
    fn warn_of_rejects(&self, attempt: &AttemptContext, rejects: Option<&Rejects>) {
        let Some(rejects) = rejects else { return };
        let Some(first) = rejects.first() else { return };
        let place = match &self.rejects {
            Some(path) => match path.render(&attempt.scope) {
                Ok(path) => format!(", see `{path}`"),
                Err(_) => String::new(),
            },
            None => String::new(),
        };
        attempt.log.warn(format!(
            "{} records were rejected{place}; the first: {first}",
            rejects.count()
        ));
    }
}

/// The database behind a name that was checked.
fn database<'a>(attempt: &'a AttemptContext, name: &str) -> Result<&'a dyn Database, TaskFailure> {
    attempt
        .connections
        .database(name)
        .ok_or_else(|| TaskFailure::permanent(format!("connection `{name}` is no database")))
}
