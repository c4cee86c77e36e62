//! A query on a database as a source.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use schemars::Schema;
use serde_json::Value as Json;

use super::{Source, SourceKind};
use crate::connection::{DatabaseError, Fetched, Statement};
use crate::data::{Batch, Columns, DataError, Place, RecordSource, Rejects};
use crate::document::{Diagnostic, FromNode as _, Map, Node, SourceId, Span, Spanned};
use crate::model::ConnectionId;
use crate::sqltext::{Hole, HoleKind, Rewritten, Script, check_syntax, excerpt};
use crate::task::copy::columns::Mapping;
use crate::task::copy::database;
use crate::task::copy::end::{DATABASES, Selection};
use crate::task::copy::flow::{Consumer, Measured};
use crate::task::{AttemptContext, Surroundings, TaskFailure};
use crate::template::Template;

pub(super) const KIND: SourceKind = SourceKind {
    name: "query",
    doc: "The rows of one query on a database, as they come from the server.",
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
    let mut schema = FromQuery::schema();
    let either = serde_json::json!([{ "required": ["query"] }, { "required": ["file"] }]);
    schema.ensure_object().insert("oneOf".to_owned(), either);
    schema
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Source>> {
    let from = FromQuery::from_node(node, surroundings.report)?;
    Some(Box::new(Query::read(&from, surroundings)?))
}

/// A query on a connection.
#[derive(Debug)]
struct Query {
    connection: ConnectionId,
    script: Script,
    /// For messages: the file, or `query`.
    name: String,
    /// What fills each hole of the statement, in their order.
    values: Vec<Template>,
}

impl Query {
    fn read(from: &FromQuery, surroundings: &mut Surroundings<'_>) -> Option<Self> {
        let id = surroundings.connection(&from.connection, DATABASES);
        let dialect = surroundings.project.dialect(&from.connection);
        let (text, span, name, home): (Arc<str>, _, _, _) = match (&from.query, &from.file) {
            (Some(query), None) => {
                let home = Home::Inline(query.clone());
                (query.as_str().into(), query.span, "query".to_owned(), home)
            }
            (None, Some(file)) => {
                let code = surroundings.code_file(file)?;
                (code.text, file.span, code.path, Home::File(code.source))
            }
            (query, _) => {
                let code = match query {
                    Some(_) => "conflicting-keys",
                    None => "missing-key",
                };
                surroundings.report.push(
                    Diagnostic::error(
                        code,
                        "a `connection` needs either `query` or `file`",
                        from.span,
                    )
                    .label("add `query:`"),
                );
                return None;
            }
        };
        let (id, script) = (id?, Script::parse(&text, dialect?));
        let mut mistakes = script.mistakes.clone();
        if mistakes.is_empty() {
            mistakes = check_syntax(&script);
        }
        for mistake in &mistakes {
            let place = home.place(mistake.range.clone(), surroundings);
            let mut diagnostic = Diagnostic::error(mistake.code, mistake.message.clone(), place);
            if let Some(help) = &mistake.help {
                diagnostic = diagnostic.help(help);
            }
            surroundings.report.push(diagnostic);
        }
        let [statement] = script.statements.as_slice() else {
            surroundings.report.push(Diagnostic::error(
                "not-one-statement",
                format!(
                    "`{name}` has {} statements, a source is one query",
                    script.statements.len()
                ),
                span,
            ));
            return None;
        };
        let values: Vec<Option<Template>> = statement
            .holes
            .iter()
            .map(|hole| {
                let span = home.place(hole.range.clone(), surroundings);
                value(hole, from, span, surroundings)
            })
            .collect();
        let values = values.into_iter().collect::<Option<_>>()?;
        mistakes.is_empty().then_some(Self {
            connection: id,
            script,
            name,
            values,
        })
    }

    /// The statement with its values.
    fn statement(&self, attempt: &AttemptContext) -> Result<(Statement, Rewritten), TaskFailure> {
        let statement = &self.script.statements[0];
        let values: Vec<Json> = self
            .values
            .iter()
            .map(|value| value.evaluate(&attempt.scope))
            .collect::<Result<_, _>>()?;
        let mut at = 0;
        let holes = &statement.holes;
        let positional = self.script.positional(statement, |_| {
            // Identifiers come in the order of the holes.
            while !matches!(holes[at].kind, HoleKind::Identifier(_)) {
                at += 1;
            }
            at += 1;
            match &values[at - 1] {
                Json::String(text) => Ok(text.clone()),
                other => Err(TaskFailure::permanent(format!(
                    "`{other}` is no name of a table or a column"
                ))),
            }
        })?;
        let bound = positional.bound.iter().map(|hole| values[*hole].clone());
        let statement = Statement {
            text: positional.sql.text().to_owned(),
            values: bound.collect(),
        };
        Ok((statement, positional.sql))
    }

    /// The server's error, with its place in the query.
    fn failed(&self, error: DatabaseError, sql: &Rewritten) -> TaskFailure {
        let place = match &error {
            DatabaseError::Statement { place, .. } => *place,
            _ => None,
        };
        let mut failure = TaskFailure::from(error);
        let message = &failure.cause.message;
        failure.cause.message = match place {
            Some(place) => {
                let offset = sql.origin(place.offset);
                format!(
                    "{message}\n{}",
                    excerpt(&self.name, &self.script.text, offset)
                )
                .into()
            }
            None => format!("{}: {message}", self.name).into(),
        };
        failure
    }
}

#[async_trait]
impl Source for Query {
    fn connection(&self) -> Option<&str> {
        Some(self.connection.as_str())
    }

    async fn read_into(
        &self,
        attempt: &AttemptContext,
        _: &Mapping,
        _: Option<&Rejects>,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure> {
        let (statement, sql) = self.statement(attempt)?;
        let database = database(attempt, self.connection.as_str())?;
        let mut session = database.session(&attempt.purpose()).await?;
        let fetched = session.fetch(&statement).await;
        match fetched.map_err(|error| self.failed(error, &sql))? {
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
                self.name
            ))),
        }
    }
}

/// Where the diagnostics of a query stand.
enum Home {
    File(SourceId),
    Inline(Spanned<String>),
}

impl Home {
    fn place(&self, part: Range<usize>, surroundings: &Surroundings<'_>) -> Span {
        match self {
            Self::File(source) => Span::new(*source, part),
            Self::Inline(text) => surroundings.place(text, part),
        }
    }
}

/// What fills a hole: an entry of `params`, a parameter of the DAG, or an expression.
fn value(
    hole: &Hole,
    from: &FromQuery,
    span: Span,
    surroundings: &mut Surroundings<'_>,
) -> Option<Template> {
    let name = match &hole.kind {
        HoleKind::Expression(text) => {
            return surroundings.template(&Spanned::new(text.clone(), span));
        }
        HoleKind::Value(name) | HoleKind::Identifier(name) => name,
    };
    if let Some((_, node)) = from.params.0.iter().find(|(key, _)| **key == **name) {
        return match node.as_text() {
            Some(text) => surroundings.template(&Spanned::new(text.to_owned(), node.span)),
            // JSON is an expression of the template language.
            None => Template::expression(&node.to_json().to_string()).ok(),
        };
    }
    if surroundings.params.iter().any(|param| param == name) {
        return surroundings.template(&Spanned::new(format!("{{{{ params.{name} }}}}"), span));
    }
    let known = from.params.0.iter().map(|(key, _)| key.as_str());
    let known = known.chain(surroundings.params.iter().map(String::as_str));
    let diagnostic = Diagnostic::error(
        "unknown-parameter",
        format!("parameter `:{name}` has no value"),
        span,
    )
    .suggest(name, known.collect::<Vec<_>>(), "parameter");
    surroundings.report.push(diagnostic);
    None
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
