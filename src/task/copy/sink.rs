//! Where a copy puts its records.

use std::path::Path;

use crate::connection::{LoadMode, ReplaceBy};
use crate::data::{Compression, Format};
use crate::document::{Diagnostic, OneOrMany, Spanned};
use crate::model::ConnectionId;
use crate::task::Surroundings;
use crate::template::Template;

crate::record! {
    /// Where the records go: `connection` with `table`, or `file`.
    pub(super) struct To as "a `to`" {
        /// The database.
        connection: Option<Spanned<String>>,
        /// The table, `schema.table` outside of the search path. Names are taken as they are: no case is folded.
        table: Option<Spanned<String>>,
        /// How the records meet the rows that are there.
        mode: Option<Spanned<Mode>>,
        /// The columns that tell rows apart, for `upsert` and `insert_new`. The primary key when left out.
        key: Option<Spanned<OneOrMany<String>>>,
        /// For `replace`: how the old rows go. `truncate` is the quickest, and readers of the table wait until the load is done; with `delete` they go on with the old rows.
        replace_by: Option<Spanned<By>>,
        /// A file; it appears when it is complete, in place of an earlier one.
        file: Option<Spanned<String>>,
        /// `csv` or `ndjson`, where the extension doesn't say it.
        format: Option<Format>,
        /// `gzip`, `zstd` or `none`, where the extension doesn't say it.
        compression: Option<Compression>,
    }
}

crate::choice! {
    /// How records meet the rows of a table.
    pub(super) enum Mode as "mode" {
        /// Adds them.
        Append = "append",
        /// Puts them in place of all rows, at once.
        Replace = "replace",
        /// Updates the rows with their keys, and inserts the others. Of several records with one key the last one counts.
        Upsert = "upsert",
        /// Inserts those whose key isn't there.
        InsertNew = "insert_new",
    }
}

crate::choice! {
    /// How the old rows go.
    pub(super) enum By as "way to replace" {
        /// With TRUNCATE.
        Truncate = "truncate",
        /// With DELETE.
        Delete = "delete",
    }
}

/// Where the records go.
#[derive(Debug)]
pub(super) enum Sink {
    Table(TableSink),
    File(FileTarget),
    /// The task's own dataset.
    Dataset,
}

#[derive(Debug)]
pub(super) struct TableSink {
    pub(super) connection: ConnectionId,
    pub(super) table: Template,
    pub(super) mode: LoadMode,
    /// PostgreSQL, which takes CSV as it is.
    pub(super) takes_csv: bool,
}

#[derive(Debug)]
pub(super) struct FileTarget {
    pub(super) path: Template,
    pub(super) format: Option<Format>,
    pub(super) compression: Option<Compression>,
}

impl Sink {
    /// Checks a `to`.
    pub(super) fn read(to: &To, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        match (&to.connection, &to.file) {
            (Some(connection), None) => table(to, connection, surroundings).map(Self::Table),
            (None, Some(file)) => target(to, file, surroundings).map(Self::File),
            (Some(_), Some(_)) => {
                surroundings.report.push(Diagnostic::error(
                    "conflicting-keys",
                    "a `to` is a table or a file, not both",
                    to.span,
                ));
                None
            }
            (None, None) => {
                surroundings.report.push(
                    Diagnostic::error("missing-key", "a `to` needs a place", to.span)
                        .label("add `connection:` with `table:`, or `file:`")
                        .help("without any `to` the records become the task's dataset"),
                );
                None
            }
        }
    }
}

fn table(
    to: &To,
    connection: &Spanned<String>,
    surroundings: &mut Surroundings<'_>,
) -> Option<TableSink> {
    let id = surroundings.connection(connection, &["postgres", "sqlite"]);
    let kind = surroundings.project.connection_kind(connection);
    let takes_csv = kind == Some("postgres");
    let mut refuse = |code, message: String, span| {
        surroundings
            .report
            .push(Diagnostic::error(code, message, span));
    };
    for (name, given) in [
        ("format", to.format.is_some()),
        ("compression", to.compression.is_some()),
    ] {
        if given {
            refuse(
                "conflicting-keys",
                format!("`{name}` belongs to a file"),
                to.span,
            );
        }
    }
    let mode = to.mode.as_ref().map_or(Mode::Append, |mode| mode.value);
    if let Some(key) = &to.key
        && !matches!(mode, Mode::Upsert | Mode::InsertNew)
    {
        let message = format!(
            "`key` has no meaning with `mode: {}`: it belongs to `upsert` and `insert_new`",
            mode.word()
        );
        refuse("conflicting-keys", message, key.span);
    }
    if let Some(by) = &to.replace_by
        && mode != Mode::Replace
    {
        let message = format!(
            "`replace_by` has no meaning with `mode: {}`: it belongs to `replace`",
            mode.word()
        );
        refuse("conflicting-keys", message, by.span);
    }
    let Some(table) = &to.table else {
        surroundings.report.push(
            Diagnostic::error(
                "missing-key",
                "a `to` with a connection needs `table`",
                to.span,
            )
            .label("add `table:`"),
        );
        return None;
    };
    if table.trim().is_empty() {
        surroundings.report.push(Diagnostic::error(
            "invalid-value",
            "the name of the table is empty",
            table.span,
        ));
        return None;
    }
    let key = to
        .key
        .as_ref()
        .map_or_else(Vec::new, |key| key.value.0.clone());
    let mode = match mode {
        Mode::Append => LoadMode::Append,
        Mode::Replace => LoadMode::Replace {
            by: match to.replace_by.as_ref().map(|by| by.value) {
                Some(By::Delete) => ReplaceBy::Delete,
                _ => ReplaceBy::Truncate,
            },
        },
        Mode::Upsert => LoadMode::Upsert { key },
        Mode::InsertNew => LoadMode::InsertNew { key },
    };
    let table = surroundings.template(table);
    Some(TableSink {
        connection: id?,
        table: table?,
        mode,
        takes_csv,
    })
}

fn target(
    to: &To,
    file: &Spanned<String>,
    surroundings: &mut Surroundings<'_>,
) -> Option<FileTarget> {
    for (name, given) in [
        ("table", to.table.is_some()),
        ("mode", to.mode.is_some()),
        ("key", to.key.is_some()),
        ("replace_by", to.replace_by.is_some()),
    ] {
        if given {
            surroundings.report.push(Diagnostic::error(
                "conflicting-keys",
                format!("`{name}` belongs to a table; a file is always written anew"),
                to.span,
            ));
        }
    }
    let path = surroundings.template(file)?;
    let format = to.format.or_else(|| Format::of(Path::new(&file.value)));
    if format.is_none() && path.is_literal() {
        surroundings.report.push(
            Diagnostic::error(
                "unknown-format",
                format!("the extension of `{}` doesn't say its format", file.value),
                file.span,
            )
            .help("use `.csv`, `.ndjson` or `.jsonl`, packed as `.gz` or `.zst` or not; or add `format: csv`"),
        );
        return None;
    }
    Some(FileTarget {
        path,
        format,
        compression: to.compression,
    })
}
