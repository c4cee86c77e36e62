//! A query on a database as a source.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use schemars::Schema;

use super::{Source, SourceKind};
use crate::connection::Fetched;
use crate::data::{Batch, Columns, DataError, Place, RecordSource, Rejects};
use crate::document::{Diagnostic, FromNode as _, Map, Node, Spanned};
use crate::model::ConnectionId;
use crate::task::script::{Checked, Frame, Given, either, of_statement};
use crate::task::transfer::columns::Mapping;
use crate::task::transfer::end::{DATABASES, Selection};
use crate::task::transfer::flow::{Consumer, Measured};
use crate::task::transfer::plan::database;
use crate::task::{AttemptContext, Deed, Stage, Surroundings, TaskFailure, Touch};

pub(super) const KIND: SourceKind = SourceKind {
    name: "query",
    doc: "The rows of one query on a database, as they come from the server.",
    example: "\
copy:
  from: { connection: warehouse, query: \"select day, max(spread) as spread from spreads group by day\" }
  to: out/spread.csv
",
    selection: Selection {
        connections: DATABASES,
        keys: &["query"],
        alone: &[],
    },
    schema,
    parse,
};

crate::record! {
    /// A query.
    struct FromQuery as "a `from` on a database" {
        /// The database that is asked.
        connection: Spanned<String>,
        /// The query; `:name` and `{{ … }}` are bound as values.
        query: Option<Spanned<String>>,
        /// The file of the query, in place of `query`.
        file: Option<Spanned<String>>,
        /// Values for the names of the query, beside the DAG's parameters.
        params: Map<Node>,
    }
}

fn schema() -> Schema {
    either(FromQuery::schema(), "query")
}

/// A query on a connection.
#[derive(Debug)]
struct Query {
    connection: ConnectionId,
    script: Checked,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Source>> {
    let from = FromQuery::from_node(node, surroundings.report)?;
    let connection = surroundings.connection(&from.connection, DATABASES);
    let dialect = surroundings.project.dialect(&from.connection);
    let given = Given {
        file: from.file.as_ref(),
        text: from.query.as_ref(),
        key: "query",
        span: from.span,
        what: "a `from` on a database",
        at: "copy.from",
    };
    let script = given.check(&from.params, dialect, Frame::None, surroundings)?;
    let statements = &script.code.script.statements;
    if statements.len() != 1 {
        let message = format!(
            "`{}` has {} statements, a source is one query",
            script.code.name,
            statements.len()
        );
        let wrong = Diagnostic::error("not-one-statement", message, given.place());
        surroundings.report.push(wrong);
        return None;
    }
    Some(Box::new(Query {
        connection: connection?,
        script,
    }))
}

#[async_trait]
impl Source for Query {
    fn connection(&self) -> Option<&str> {
        Some(self.connection.as_str())
    }

    fn touches(&self) -> Vec<Touch<'_>> {
        vec![Touch {
            connection: self.connection.as_str(),
            deed: Deed::Script {
                code: &self.script.code,
                transaction: false,
                stage: Stage::None,
            },
        }]
    }

    async fn read_into(
        &self,
        attempt: &AttemptContext,
        _: &Mapping,
        _: Option<&Rejects>,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure> {
        let prepared = self.script.prepare(&attempt.scope)?;
        prepared.keep(&attempt.log, self.connection.as_str());
        let Some(ready) = prepared.statements.first() else {
            return Ok(0);
        };
        let database = database(attempt, self.connection.as_str())?;
        let mut session = database.session(&attempt.purpose()).await?;
        let fetched = session.fetch(&ready.statement).await;
        match fetched.map_err(|error| of_statement(&prepared, ready, error))? {
            Fetched::Rows(rows) => {
                let bytes = Arc::new(AtomicU64::new(0));
                let counted = Counted {
                    rows,
                    bytes: bytes.clone(),
                };
                let mut source = Measured::new(counted, attempt, Some(bytes.clone()));
                consumer.consume(&mut source).await?;
                Ok(bytes.load(Ordering::Relaxed))
            }
            Fetched::Touched(_) => Err(TaskFailure::permanent(format!(
                "`{}` gives no rows: use a `sql` task for statements",
                prepared.code.name
            ))),
        }
    }
}

struct Counted<'a> {
    rows: Box<dyn RecordSource + 'a>,
    bytes: Arc<AtomicU64>,
}

#[async_trait]
impl RecordSource for Counted<'_> {
    fn columns(&self) -> &Columns {
        self.rows.columns()
    }
    async fn next(&mut self) -> Result<Option<Batch>, DataError> {
        let batch = self.rows.next().await?;
        if let Some(batch) = &batch {
            self.bytes
                .fetch_add(batch.bytes() as u64, Ordering::Relaxed);
        }
        Ok(batch)
    }
    fn place(&self, row: u64) -> Option<Place> {
        self.rows.place(row)
    }
}
