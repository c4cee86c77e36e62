//! A query as a source.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::source::{Consumer, From, Measured};
use crate::connection::{Fetched, Statement};
use crate::data::{Batch, Columns, DataError, Place, RecordSource};
use crate::document::{Diagnostic, Spanned};
use crate::model::ConnectionId;
use crate::task::{AttemptContext, Surroundings, TaskFailure};

/// A query on a connection.
#[derive(Debug)]
pub(super) struct Query {
    connection: ConnectionId,
    text: String,
}

impl Query {
    /// Checks the query of a `from`.
    pub(super) fn read(
        from: &From,
        connection: &Spanned<String>,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Self> {
        let connection = surroundings.connection(connection, &["postgres", "sqlite"]);
        let text = match (&from.query, &from.file) {
            (Some(query), None) => query.value.clone(),
            (None, Some(file)) => surroundings.code_file(file)?.text.to_string(),
            (query, _) => {
                surroundings.report.push(
                    Diagnostic::error(
                        if query.is_some() {
                            "conflicting-keys"
                        } else {
                            "missing-key"
                        },
                        "a `connection` needs either `query` or `file`",
                        from.span,
                    )
                    .label("add `query:`"),
                );
                return None;
            }
        };
        Some(Self {
            connection: connection?,
            text,
        })
    }

    pub(super) fn connection(&self) -> &str {
        self.connection.as_str()
    }

    pub(super) async fn read_into(
        &self,
        attempt: &AttemptContext,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure> {
        let database = super::database(attempt, self.connection())?;
        let mut session = database.session(&attempt.purpose()).await?;
        let statement = Statement {
            text: self.text.clone(),
            values: Vec::new(),
        };
        match session.fetch(&statement).await? {
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
            Fetched::Touched(_) => Err(TaskFailure::permanent(
                "the query gives no rows: use a `sql` task for statements",
            )),
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
