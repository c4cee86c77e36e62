//! Moves records from a source to a sink, without holding them in memory.

use super::transfer::{From, OnError, Plan, RawColumns, To, Transfer};
use super::{Surroundings, Task, TaskKind};
use crate::document::{Diagnostic, FromNode as _, Node, Spanned, read_map, refuse_unknown_keys};

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

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Task>> {
    let entries = read_map(node, surroundings.report)?;
    let entries = refuse_unknown_keys(entries, Copy::KEYS, "a copy", surroundings.report);
    let copy = Copy::from_entries(&entries, node.span, surroundings.report)?;
    let said = node.get("on_error").and_then(Node::as_text);
    if let Some(path) = &copy.rejects
        && said.is_none_or(|word| word == OnError::Fail.word())
    {
        surroundings.report.push(
            Diagnostic::error(
                "conflicting-keys",
                "`rejects` needs `on_error: skip`: otherwise the first bad record fails the task",
                path.span,
            )
            .help("add `on_error: skip`"),
        );
    }
    let plan = Plan {
        from: &copy.from,
        to: copy.to.as_ref(),
        columns: copy.columns.as_ref(),
        filter: copy.r#where.as_ref(),
        on_error: copy.on_error,
        rejects: copy.rejects.as_ref(),
        span: copy.span,
    };
    Some(Box::new(Transfer::read(&plan, surroundings)?))
}
