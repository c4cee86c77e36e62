//! Moves records from a source to a sink, without holding them in memory.

mod cell_type;
mod columns;
mod end;
mod files;
mod flow;
mod keep;
mod mapped;
mod path;
mod pieces;
mod records;
mod sink;
mod source;
mod stage;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod values;

use async_trait::async_trait;

use self::columns::{Mapping, RawColumns};
pub(super) use self::flow::Consumer;
use self::flow::Flow;
pub(super) use self::records::{Records, RecordsFrom};
pub(super) use self::sink::topic_schema;
use self::sink::{Sink, To, own_dataset};
use self::source::From;
use super::{
    AttemptContext, Guarantee, Surroundings, Task, TaskFailure, TaskKind, TaskResult, Touch,
};
use crate::connection::Database;
use crate::document::{Diagnostic, FromNode, Node, Spanned, read_map, refuse_unknown_keys};

pub(super) const KIND: TaskKind = TaskKind {
    name: "copy",
    doc: "Moves records from files, a dataset or a query to a table, a script, a file or the task's own \
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
    flow: Flow,
    to: Box<dyn Sink>,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    let entries = read_map(node, surroundings.report)?;
    let entries = refuse_unknown_keys(entries, Copy::KEYS, "a copy", surroundings.report);
    let copy = Copy::from_entries(&entries, node.span, surroundings.report)?;
    let from = copy.from.read(surroundings);
    let to = match &copy.to {
        Some(to) => to.read(surroundings),
        None => Some(own_dataset()),
    };
    let mapping = Mapping::read(copy.columns.as_ref(), copy.r#where.as_ref(), surroundings);
    let rejects = match &copy.rejects {
        Some(path) => {
            let said = node.get("on_error").and_then(Node::as_text);
            if said.is_none_or(|word| word == OnError::Fail.word()) {
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
    if let (Some(to), Some(mapping)) = (&to, &mapping) {
        check_reads(&**to, mapping, surroundings);
    }
    Some(Box::new(CopyTask {
        flow: Flow {
            from: from?,
            mapping: mapping?,
            on_error: copy.on_error,
            rejects,
        },
        to: to?,
    }))
}

/// What the sink reads of the records has to be among their columns, where these are written down.
fn check_reads(to: &dyn Sink, mapping: &Mapping, surroundings: &mut Surroundings<'_>) {
    let Some(fields) = &mapping.fields else {
        return;
    };
    for column in to.reads() {
        if fields.iter().all(|field| field.target != column.value) {
            surroundings.report.push(
                Diagnostic::error(
                    "unknown-column",
                    format!("the records have no column `{}`", column.value),
                    column.span,
                )
                .suggest(
                    &column.value,
                    fields.iter().map(|field| field.target.as_str()),
                    "column",
                ),
            );
        }
    }
}

#[async_trait]
impl Task for CopyTask {
    async fn run(&self, attempt: &AttemptContext) -> TaskResult {
        if let (Some(feed), Some(sink)) = (self.flow.from.as_feed(), self.to.as_database()) {
            return stream::run(&self.flow, feed, sink, attempt).await;
        }
        self.to.run(&self.flow, attempt).await
    }

    fn guarantee(&self) -> Guarantee {
        match self.flow.from.guarantee() {
            Guarantee::ExactlyOnce => self.to.guarantee(),
            weaker @ Guarantee::AtLeastOnce { .. } => weaker,
        }
    }

    fn connections(&self) -> Vec<&str> {
        let ends = [self.flow.from.connection(), self.to.connection()];
        ends.into_iter().flatten().collect()
    }

    fn touches(&self) -> Vec<Touch<'_>> {
        let from = self.flow.from.touch();
        let to = self.to.touch(&self.flow);
        from.into_iter().chain(to).collect()
    }
}

/// A copy of the records of `from` into the topic `to`, for the kind of tasks that sends messages.
pub(super) fn into_topic(
    from: &Node,
    to: &Node,
    surroundings: &mut Surroundings<'_>,
) -> Option<Box<dyn Task>> {
    let (from, to) = (
        From::of(from).read(surroundings),
        To::of(to).read(surroundings),
    );
    Some(Box::new(CopyTask {
        flow: Flow {
            from: from?,
            mapping: Mapping::default(),
            on_error: OnError::Fail,
            rejects: None,
        },
        to: to?,
    }))
}

/// The shape of what records are taken from.
pub(super) fn records_schema() -> schemars::Schema {
    <From as FromNode>::schema()
}

/// The database behind a name that was checked.
fn database<'a>(attempt: &'a AttemptContext, name: &str) -> Result<&'a dyn Database, TaskFailure> {
    attempt
        .connections
        .database(name)
        .ok_or_else(|| TaskFailure::permanent(format!("connection `{name}` is no database")))
}
