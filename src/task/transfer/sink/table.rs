//! A table of a database as a sink.

mod load;

use async_trait::async_trait;

use super::{DatabaseSink, Sink, SinkKind};
use crate::connection::{LoadInput, LoadMode, LoadTarget, Loaded, ReplaceBy, Session};
use crate::data::{RecordSource, Rejects};
use crate::document::{Diagnostic, FromNode, Node, OneOrMany, Span, Spanned};
use crate::model::ConnectionId;
use crate::task::transfer::cell_type::CellType;
use crate::task::transfer::columns::Field;
use crate::task::transfer::end::{DATABASES, Selection};
use crate::task::transfer::flow::Flow;
use crate::task::{
    AttemptContext, Deed, Load, LoadColumn, Surroundings, TaskFailure, TaskResult, Touch,
};
use crate::template::Template;

pub(super) const KIND: SinkKind = SinkKind {
    name: "table",
    doc: "A table of a database. All records are one transaction, which happens once.",
    selection: Selection {
        connections: DATABASES,
        keys: &["table"],
        alone: &[],
    },
    schema: <ToTable as FromNode>::schema,
    parse,
};

crate::record! {
    /// A table.
    struct ToTable as "a `to` on a database" {
        /// The database.
        connection: Spanned<String>,
        /// The table, `schema.table` outside of the search path. Names are taken as they are: no case is folded.
        table: Spanned<String>,
        /// How the records meet the rows that are there.
        mode: Option<Spanned<Mode>>,
        /// The columns that tell rows apart, for `upsert` and `insert_new`. The primary key when left out.
        key: Option<Spanned<OneOrMany<String>>>,
        /// For `replace`: how the old rows go. `truncate` is the quickest, and readers of the table wait until the load is done; with `delete` they go on with the old rows.
        replace_by: Option<Spanned<By>>,
    }
}

crate::choice! {
    /// How records meet the rows of a table.
    enum Mode as "mode" {
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
    enum By as "way to replace" {
        /// With TRUNCATE.
        Truncate = "truncate",
        /// With DELETE.
        Delete = "delete",
    }
}

/// A table that is loaded.
#[derive(Debug)]
struct TableSink {
    connection: ConnectionId,
    table: Template,
    /// The name as it is written.
    name: Spanned<String>,
    mode: LoadMode,
    /// Where the key stands.
    key: Option<Span>,
    /// PostgreSQL, which takes CSV as it is.
    takes_csv: bool,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Sink>> {
    let to = ToTable::from_node(node, surroundings.report)?;
    let id = surroundings.connection(&to.connection, DATABASES);
    let kind = surroundings.project.connection_kind(&to.connection);
    let takes_csv = kind == Some("postgres");
    let mut refuse = |code, message: String, span| {
        surroundings
            .report
            .push(Diagnostic::error(code, message, span));
    };
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
    if to.table.trim().is_empty() {
        surroundings.report.push(Diagnostic::error(
            "invalid-value",
            "the name of the table is empty",
            to.table.span,
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
    let table = surroundings.template(&to.table);
    Some(Box::new(TableSink {
        connection: id?,
        table: table?,
        name: to.table,
        mode,
        key: to.key.map(|key| key.span),
        takes_csv,
    }))
}

#[async_trait]
impl Sink for TableSink {
    fn connection(&self) -> Option<&str> {
        Some(self.connection.as_str())
    }

    fn touch<'a>(&'a self, flow: &'a Flow) -> Option<Touch<'a>> {
        let key = match &self.mode {
            LoadMode::Upsert { key } | LoadMode::InsertNew { key } => Some(key.as_slice()),
            LoadMode::Append | LoadMode::Replace { .. } => None,
        };
        let column = |field: &'a Field| LoadColumn {
            name: &field.target,
            r#type: field.r#type.map(CellType::word),
            reads: field.reads(),
            is_plain: field.is_plain(),
            place: field.place,
        };
        let fields = flow.mapping.fields.as_ref();
        Some(Touch {
            connection: self.connection.as_str(),
            deed: Deed::Load(Load {
                table: self.table.is_literal().then_some(self.name.as_str()),
                place: self.name.span,
                columns: fields.map(|fields| fields.iter().map(column).collect()),
                key: key.zip(self.key),
            }),
        })
    }

    async fn run(&self, flow: &Flow, attempt: &AttemptContext) -> TaskResult {
        load::run(flow, self, attempt).await
    }

    fn as_database(&self) -> Option<&dyn DatabaseSink> {
        Some(self)
    }
}

#[async_trait]
impl DatabaseSink for TableSink {
    fn database(&self) -> &str {
        self.connection.as_str()
    }

    fn replaces(&self) -> bool {
        matches!(self.mode, LoadMode::Replace { .. })
    }

    fn target(&self, attempt: &AttemptContext) -> Result<String, TaskFailure> {
        let table = self.table.render(&attempt.scope)?;
        Ok(format!("{table} in {}", self.connection))
    }

    async fn write(
        &self,
        session: &mut dyn Session,
        records: &mut dyn RecordSource,
        rejects: Option<&Rejects>,
        _: &Flow,
        attempt: &AttemptContext,
    ) -> Result<Loaded, TaskFailure> {
        let target = LoadTarget {
            table: self.table.render(&attempt.scope)?,
            columns: records.columns().clone(),
            mode: self.mode.clone(),
        };
        let input = match rejects {
            Some(rejects) => LoadInput::Sifted { records, rejects },
            None => LoadInput::Records(records),
        };
        Ok(session.load(&target, input).await?)
    }
}
