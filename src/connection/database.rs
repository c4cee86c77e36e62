//! What every database connection can do, whatever the database.

mod error;

use async_trait::async_trait;
use serde_json::Value as Json;

pub use self::error::{DatabaseError, ErrorPlace};
use super::{HeldPartition, StreamKey, StreamMove, TableShape};
use crate::data::{Columns, RecordSource, Rejects};
use crate::secret::Secret;
use crate::sqltext::Dialect;

/// A database that sessions can be opened on.
#[async_trait]
pub trait Database: Send + Sync + std::fmt::Debug {
    fn dialect(&self) -> Dialect;

    /// Opens a session. `purpose` names it to the database's administrator (`application_name`):
    /// `runner daily_batch/migrate`.
    async fn session(&self, purpose: &str) -> Result<Box<dyn Session>, DatabaseError>;

    /// Forgets the loads of runs that are gone, and gives how many that were. A database that was
    /// never loaded into has none.
    async fn forget_loads(&self, runs: &[String]) -> Result<u64, DatabaseError>;

    /// How other programs reach it. Starts a private server, but connects to nothing.
    async fn access(&self) -> Result<Access, DatabaseError>;
}

/// How other programs reach a database.
#[derive(Debug)]
pub struct Access {
    /// A URL as libpq and most others read it, or the path of a file.
    pub url: Secret<String>,
    /// The database's own shell.
    pub client: &'static str,
    pub arguments: Vec<String>,
    /// What the shell must not be told where other users see it.
    pub variables: Vec<(&'static str, Secret<String>)>,
    /// What a person does to get the shell.
    pub install: String,
    /// A private server stays up as long as this lives.
    pub server: Option<Box<dyn std::any::Any + Send + Sync>>,
}

impl Access {
    /// Whether the server is only up while somebody uses it.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.server.is_some()
    }
}

/// One connection to a database, used by one attempt. Dropping it ends it and rolls back.
#[async_trait]
pub trait Session: Send {
    fn dialect(&self) -> Dialect;

    async fn begin(&mut self) -> Result<(), DatabaseError>;
    async fn commit(&mut self) -> Result<(), DatabaseError>;
    async fn rollback(&mut self) -> Result<(), DatabaseError>;

    /// Marks a place in the transaction to which [`undo`](Self::undo) leads back.
    async fn mark(&mut self) -> Result<(), DatabaseError> {
        self.execute(&plain("SAVEPOINT runner_mark"))
            .await
            .map(drop)
    }

    /// Takes back what was done since the last mark, also after a statement that failed, and
    /// forgets the mark.
    async fn undo(&mut self) -> Result<(), DatabaseError> {
        self.execute(&plain("ROLLBACK TO SAVEPOINT runner_mark"))
            .await?;
        self.unmark().await
    }

    /// Forgets the last mark.
    async fn unmark(&mut self) -> Result<(), DatabaseError> {
        self.execute(&plain("RELEASE SAVEPOINT runner_mark"))
            .await
            .map(drop)
    }

    /// Enters this load into the ledger, first thing in its transaction: a zombie attempt of the
    /// same load blocks here until the other one ended. `Done` gives back what the earlier attempt
    /// that committed has left with [`settle`](Self::settle).
    async fn claim(&mut self, key: &LedgerKey) -> Result<Claim, DatabaseError>;

    /// Leaves the result with the ledger's row, in the same transaction.
    async fn settle(&mut self, key: &LedgerKey, result: &Json) -> Result<(), DatabaseError>;

    /// What the ledger knows of a load, outside of a transaction: after an unknown COMMIT.
    async fn settled(&mut self, key: &LedgerKey) -> Result<Option<Json>, DatabaseError>;

    /// Where each known partition of a stream goes on.
    async fn stream_positions(
        &mut self,
        _stream: &StreamKey,
    ) -> Result<Vec<(i32, i64)>, DatabaseError> {
        Err(no_streams())
    }

    /// Takes partitions of a stream over from whoever has them: waits for a transaction of theirs
    /// that is under way, and has their later ones refused. An unknown partition begins at the
    /// offset that is given with it.
    async fn take_over(
        &mut self,
        _stream: &StreamKey,
        _starts: &[(i32, i64)],
    ) -> Result<Vec<HeldPartition>, DatabaseError> {
        Err(no_streams())
    }

    /// Moves partitions on, within the current transaction. False when one of them was taken over
    /// or doesn't stand where it should: then the transaction must be rolled back.
    async fn advance(
        &mut self,
        _stream: &StreamKey,
        _moves: &[StreamMove],
    ) -> Result<bool, DatabaseError> {
        Err(no_streams())
    }

    /// Asks what a statement needs and gives, without executing it. A mistake in it ends the
    /// transaction, as its execution would.
    async fn describe(&mut self, statement: &str) -> Result<Described, DatabaseError>;

    /// Executes one statement that gives no rows, and says how many it touched.
    async fn execute(&mut self, statement: &Statement) -> Result<u64, DatabaseError>;

    /// Executes one statement; its rows stream. The source borrows the session.
    async fn fetch<'a>(&'a mut self, statement: &Statement) -> Result<Fetched<'a>, DatabaseError>;

    /// Loads records into a table within the current transaction.
    async fn load(
        &mut self,
        target: &LoadTarget,
        input: LoadInput<'_>,
    ) -> Result<Loaded, DatabaseError>;

    /// What the database knows of a table (`table` or `schema.table`, unquoted). An error when it
    /// doesn't exist, with the nearest name.
    async fn table(&mut self, name: &str) -> Result<TableShape, DatabaseError>;

    /// Executes a `COPY … FROM STDIN` as it is written, with these bytes as its input; gives the
    /// rows it took.
    async fn copy_in(
        &mut self,
        statement: &str,
        bytes: ByteSource<'_>,
    ) -> Result<u64, DatabaseError>;

    /// A handle that ends what this session executes, on the server too.
    fn stopper(&self) -> Box<dyn Stopper>;

    /// What the server has said beside its answers since the last call.
    fn notices(&mut self) -> Vec<Notice>;
}

fn plain(text: &str) -> Statement {
    Statement {
        text: text.to_owned(),
        values: Vec::new(),
    }
}

fn no_streams() -> DatabaseError {
    DatabaseError::refused("this database doesn't keep how far streams have come: use PostgreSQL")
}

/// Ends what a session executes.
#[async_trait]
pub trait Stopper: Send + Sync {
    /// Asks the server to end the session's current statement. Does nothing when there is none.
    async fn stop(&self);
}

/// The name of a load in a database's ledger: equal for all attempts of one generation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LedgerKey {
    pub run: String,
    pub task: String,
    /// The item of a `foreach`, -1 without one.
    pub item: i64,
    pub generation: u32,
}

/// The ledger's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// The load is new and its row is inserted: go on.
    New,
    /// An earlier attempt has committed it, with this result: don't do it again.
    Done(Json),
}

/// A statement and the values bound to its parameters `$1`, `$2`, ….
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Statement {
    pub text: String,
    pub values: Vec<Json>,
}

/// What a statement needs and gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Described {
    /// The types of `$1`, `$2`, …, where the database knows types; in lower case.
    pub parameters: Vec<String>,
    /// The names and types of the columns of its rows; none when it gives no rows.
    pub columns: Vec<(String, String)>,
}

/// Rows of a statement, or the number it touched when it gives none.
pub enum Fetched<'a> {
    Rows(Box<dyn RecordSource + 'a>),
    Touched(u64),
}

/// How loaded rows meet those that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadMode {
    Append,
    /// In place of all rows, at once: readers see the old rows or the new ones.
    Replace {
        by: ReplaceBy,
    },
    /// Rows with the same key are updated. Empty: the table's primary key.
    Upsert {
        key: Vec<String>,
    },
    /// Rows whose key is there are left out. Empty: any unique constraint.
    InsertNew {
        key: Vec<String>,
    },
}

/// How the old rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplaceBy {
    /// By TRUNCATE, the quickest: readers wait until the load is committed. A table that another
    /// one's foreign key refers to is emptied by DELETE.
    Truncate,
    /// By DELETE: readers go on with the old rows. Slower, and the space of the old rows is free
    /// only after the next vacuum.
    Delete,
}

/// Where to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadTarget {
    /// `table` or `schema.table`, unquoted.
    pub table: String,
    pub columns: Columns,
    pub mode: LoadMode,
}

/// Bytes that are read while they are sent.
pub type ByteSource<'a> = std::pin::Pin<&'a mut (dyn tokio::io::AsyncRead + Send)>;

/// What to load.
pub enum LoadInput<'a> {
    Records(&'a mut dyn RecordSource),
    /// Records of which the bad ones are left out.
    Sifted {
        records: &'a mut dyn RecordSource,
        rejects: &'a Rejects,
    },
    /// Bytes in the database's own bulk format, passed through untouched: PostgreSQL's COPY with
    /// these options, such as `FORMAT csv, HEADER true`.
    Raw {
        options: String,
        bytes: ByteSource<'a>,
    },
}

/// What a load did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loaded {
    /// Rows that came in.
    pub rows: u64,
    /// Rows that were inserted or updated.
    pub written: u64,
    pub bytes: u64,
}

/// A remark of the server: PostgreSQL's NOTICE and WARNING.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub severity: String,
    pub message: String,
}
