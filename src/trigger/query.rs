//! Rows that a query gives.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map as JsonMap, Value as Json};
use sha2::{Digest as _, Sha256};

use super::fixed::is_fixed;
use super::{Around, Item, Kind, Read, Scope, Sight, Trigger, View, Watch, WatchError};
use crate::connection::{Database, Fetched, Statement};
use crate::document::units::format_duration;
use crate::document::{Diagnostic, FromNode as _, Map, Node, Spanned};
use crate::engine::plan::Key;
use crate::model::ConnectionId;
use crate::sqltext::{Script, check_syntax};
use crate::task::Surroundings;
use crate::template::Shape;

pub(super) const KIND: Kind = Kind {
    name: "query",
    doc: DOC,
    example: include_str!("query/example.yaml"),
    schema: QueryTrigger::schema,
    parse,
};

const DOC: &str = "\
Rows that a query gives: each starts one run, once. The query is asked `every` so often. A row is known by the column \
`key`, and without it by all of its values: one that changes is another row then. One that the query doesn't give any more \
is forgotten, and starts a run when it comes back.

`run.firing.row` has its columns; with `batch` there is a list of them, `run.firing.rows`.";

/// The kinds of connections that take queries.
const DATABASES: &[&str] = &["postgres", "sqlite"];
/// How often it is asked when nobody says.
const EVERY: Duration = Duration::from_mins(1);
/// More often would only load the database.
const LEAST: Duration = Duration::from_secs(1);
/// How long a query may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// Rows that are looked at.
const MOST_ROWS: usize = 10_000;
/// Bytes of a row that a run gets.
const MOST_BYTES: usize = 64 * 1024;

crate::record! {
    /// Rows that a query gives.
    struct QueryTrigger as "a trigger of kind `query`" {
        /// The query. It only reads, and gives what waits for a run: at most 10,000 rows.
        query: Spanned<String>,
        /// The database.
        connection: Spanned<String>,
        /// The column that tells rows apart; without it all of them do.
        key: Option<Spanned<String>>,
        /// How often it is asked, `1m` when nobody says.
        every: Option<Spanned<Duration>>,
        /// So many rows at most start one run together; without it each has a run of its own.
        batch: Option<NonZeroU32>,
        /// Parameters of the run; templates may read `run.firing`.
        params: Map<Node>,
    }
}

/// A checked trigger.
#[derive(Debug)]
struct Rows {
    query: String,
    connection: ConnectionId,
    key: Option<String>,
    every: Duration,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Read> {
    let read = QueryTrigger::from_node(node, surroundings.report)?;
    let mut fine = is_fixed(&read.query, surroundings.report);
    if let Some(every) = &read.every
        && every.value < LEAST
    {
        let message = format!("`{}` is too often", format_duration(every.value));
        let wrong = Diagnostic::error("invalid-value", message, every.span);
        surroundings.report.push(wrong.label("at least `1s`"));
        fine = false;
    }
    let connection = surroundings.connection(&read.connection, DATABASES);
    let query = fine.then(|| check_query(&read, surroundings)).flatten();
    Some(Read {
        trigger: Arc::new(Rows {
            query: query?,
            connection: connection?,
            key: read.key.map(|key| key.value),
            every: read.every.map_or(EVERY, |every| every.value),
        }),
        batch: read.batch,
        params: read.params,
        env: Vec::new(),
    })
}

/// The one statement of the query.
fn check_query(read: &QueryTrigger, surroundings: &mut Surroundings<'_>) -> Option<String> {
    let dialect = surroundings.project.dialect(&read.connection)?;
    let text: Arc<str> = read.query.as_str().into();
    let script = Script::parse(&text, dialect);
    let mut mistakes = script.mistakes.clone();
    if mistakes.is_empty() {
        mistakes = check_syntax(&script);
    }
    for mistake in &mistakes {
        let span = surroundings.place(&read.query, mistake.range.clone());
        let mut wrong = Diagnostic::error(mistake.code, mistake.message.clone(), span);
        if let Some(help) = &mistake.help {
            wrong = wrong.help(help.clone());
        }
        surroundings.report.push(wrong);
    }
    if !mistakes.is_empty() {
        return None;
    }
    let [statement] = script.statements.as_slice() else {
        let message = format!(
            "a trigger is one query, here are {}",
            script.statements.len()
        );
        let wrong = Diagnostic::error("not-one-statement", message, read.query.span);
        surroundings.report.push(wrong);
        return None;
    };
    if let Some(hole) = statement.holes.first() {
        let span = surroundings.place(&read.query, hole.range.clone());
        let wrong = Diagnostic::error(
            "no-template",
            "nothing is put into the query of a trigger",
            span,
        );
        let wrong = wrong.label("there is no run yet that it could be about");
        surroundings.report.push(wrong);
        return None;
    }
    if !statement.nature.gives_rows || !statement.nature.reads_only {
        let message = format!("`{}` isn't a query that only reads", statement.nature.name);
        let wrong = Diagnostic::error("not-a-query", message, read.query.span);
        let wrong = wrong.help("what is to be done belongs into a task");
        surroundings.report.push(wrong);
        return None;
    }
    Some(script.statement_text(statement).to_owned())
}

impl Trigger for Rows {
    fn words(&self) -> String {
        format!("query on {}", self.connection)
    }

    fn awaited(&self) -> String {
        format!(
            "a row on {} of `{}`",
            self.connection,
            one_line(&self.query)
        )
    }

    fn shape(&self) -> Shape {
        Shape::empty().with("row", Shape::Any)
    }

    fn list(&self) -> &'static str {
        "rows"
    }

    fn watch(&self, around: &Around) -> Option<Box<dyn Watch>> {
        Some(Box::new(RowWatch {
            query: self.query.clone(),
            connection: self.connection.to_string(),
            key: self.key.clone(),
            every: self.every,
            prefix: format!("row:{}:{}:", self.connection, around.ordinal),
            around: around.clone(),
            looked: false,
        }))
    }
}

/// A query in one line.
fn one_line(query: &str) -> String {
    query.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct RowWatch {
    around: Around,
    query: String,
    connection: String,
    key: Option<String>,
    every: Duration,
    prefix: String,
    looked: bool,
}

impl RowWatch {
    async fn rows(&self) -> Result<Vec<JsonMap<String, Json>>, WatchError> {
        let name = &self.connection;
        let database = self.around.connections.database(name);
        let database =
            database.ok_or_else(|| WatchError(format!("connection `{name}` is no database")))?;
        let Ok(rows) = tokio::time::timeout(PATIENCE, self.ask(database)).await else {
            let patience = format_duration(PATIENCE);
            return Err(WatchError(format!("`{name}`: no answer within {patience}")));
        };
        rows.map_err(|reason| WatchError(format!("`{name}`: {reason}")))
    }

    async fn ask(&self, database: &dyn Database) -> Result<Vec<JsonMap<String, Json>>, String> {
        let session = database.session(&self.around.purpose).await;
        let mut session = session.map_err(|error| error.to_string())?;
        let statement = Statement {
            text: self.query.clone(),
            values: Vec::new(),
        };
        let fetched = session.fetch(&statement).await;
        let mut source = match fetched.map_err(|error| error.to_string())? {
            Fetched::Rows(source) => source,
            Fetched::Touched(_) => return Err("the query gives no rows".to_owned()),
        };
        let mut rows = Vec::new();
        while let Some(batch) = source.next().await.map_err(|error| error.to_string())? {
            rows.extend((0..batch.rows()).map(|row| batch.row_as_json(row)));
            if rows.len() > MOST_ROWS {
                return Err(format!(
                    "the query gives more than {MOST_ROWS} rows: let it only give what waits for a run"
                ));
            }
        }
        Ok(rows)
    }

    /// The row as something that calls for a run.
    fn item(&self, row: JsonMap<String, Json>) -> Result<Item, WatchError> {
        let (name, source) = match &self.key {
            None => {
                let text = serde_json::to_string(&row).unwrap_or_default();
                let hash = Sha256::digest(text.as_bytes());
                let hash = hash.iter().take(16).map(|byte| format!("{byte:02x}"));
                (hash.collect::<String>(), "a row".to_owned())
            }
            Some(key) => match row.get(key) {
                Some(Json::Null) => {
                    return Err(WatchError(format!("a row has no value in its key `{key}`")));
                }
                Some(Json::String(text)) => (text.clone(), format!("row {text}")),
                Some(value) => (value.to_string(), format!("row {value}")),
                None => {
                    let names: Vec<&str> = row.keys().map(String::as_str).collect();
                    let names = names.join("`, `");
                    return Err(WatchError(format!(
                        "the rows have no column `{key}`: they have `{names}`"
                    )));
                }
            },
        };
        let bytes = serde_json::to_string(&row).map_or(0, |text| text.len());
        if bytes > MOST_BYTES {
            return Err(WatchError(format!(
                "{source} has {bytes} bytes: let the query only give what names it"
            )));
        }
        let source = format!("{source} of {}", self.connection).replace('\n', " ");
        Ok(Item {
            key: Key::Thing {
                name: format!("{}{name}", self.prefix),
                stamp: String::new(),
            },
            source,
            detail: std::iter::once(("row".to_owned(), Json::Object(row))).collect(),
            room: None,
        })
    }
}

#[async_trait]
impl Watch for RowWatch {
    async fn look(&mut self) -> Result<Sight, WatchError> {
        // After an error whoever calls has waited.
        if std::mem::take(&mut self.looked) {
            tokio::time::sleep(self.every).await;
        }
        let rows = self.rows().await?.into_iter();
        let items: Result<Vec<Item>, _> = rows.map(|row| self.item(row)).collect();
        let items = items?;
        self.looked = true;
        Ok(Sight::View(View {
            items,
            unready: Vec::new(),
            scope: Scope {
                prefix: self.prefix.clone(),
                pattern: None,
            },
        }))
    }
}
