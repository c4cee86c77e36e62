//! What the writer is asked for, one request at a time.

use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor};

use crate::model::{DagId, RunId, Timestamp, Transition};
use crate::store::change::Change;
use crate::store::words::micros;
use crate::store::{
    Admission, Call, Claim, Command, CommandKind, DagVersion, Decided, NewRun, Notice, Owner, Past,
    StoreError, StoredRun,
};

use super::account::{self, Entry};
use super::begin::{begin, decide};
use super::encode::{Encoded, encode, json};
use super::error::is_refusal;
use super::notice::{self, Deed};
use super::outside;
use super::past;
use super::row;
use super::statement::{self, Parts};

/// Something to write.
#[derive(Debug)]
pub(super) enum Order {
    Commit {
        owner: Owner,
        transitions: Vec<Transition>,
        /// To be forgotten with it.
        heard: Vec<Command>,
        /// To be told.
        notices: Vec<Notice>,
    },
    Begin {
        versions: Vec<DagVersion>,
        runs: Vec<NewRun>,
    },
    Decide {
        decided: Decided,
    },
    PutCall {
        call: Call,
    },
    SetPaused {
        dag: DagId,
        paused: bool,
    },
    OfNotice {
        notice: Notice,
        deed: Deed,
    },
    OfAccount {
        entry: Entry,
    },
    RemoveRuns {
        runs: Vec<RunId>,
    },
    ForgetRemoved {
        runs: Vec<RunId>,
    },
    ForgetSkipped {
        past: Past,
    },
    PutCommand {
        run: RunId,
        kind: CommandKind,
        at: Timestamp,
    },
    Adopt {
        from: Owner,
        to: Owner,
        run: Option<RunId>,
    },
}

/// What comes back.
#[derive(Debug)]
pub(super) enum Reply {
    Done,
    Runs(Vec<StoredRun>),
    Taken(bool),
    Removed(Vec<RunId>),
    Forgotten(u64),
    Admitted(Admission),
    Claimed(Claim),
}

/// Why an order isn't carried out.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The order can't be; the database is as it was before.
    Refused(StoreError),
    /// The database can't; the transaction is to be rolled back.
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// Texts by the statements that they are made of, so that each is prepared once.
pub(super) struct Texts {
    make: fn(Parts) -> String,
    made: Vec<Option<Arc<str>>>,
}

impl Texts {
    pub(super) fn new(make: fn(Parts) -> String) -> Self {
        Self {
            make,
            made: vec![None; Parts::COUNT],
        }
    }

    pub(super) fn get(&mut self, parts: Parts) -> Arc<str> {
        let made = &mut self.made[parts.index()];
        Arc::clone(made.get_or_insert_with(|| (self.make)(parts).into()))
    }
}

/// Runs the text of a change with its seven parameters.
pub(super) async fn execute(
    connection: &mut SqliteConnection,
    text: Arc<str>,
    encoded: Encoded,
) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(text))
        .bind(encoded.owners)
        .bind(encoded.runs)
        .bind(encoded.expansions)
        .bind(encoded.items)
        .bind(encoded.tasks)
        .bind(encoded.attempts)
        .bind(encoded.new_runs)
        .execute(connection)
        .await
        .map(|_| ())
}

/// Carries out one order within a transaction.
pub(super) async fn carry_out(
    connection: &mut SqliteConnection,
    savepoints: &mut Texts,
    order: &Order,
) -> Result<Reply, Trouble> {
    match order {
        Order::Commit {
            owner,
            transitions,
            heard,
            notices,
        } => {
            if !transitions.is_empty() {
                commit(connection, savepoints, owner, transitions).await?;
            }
            forget(connection, owner, heard).await?;
            notice::add(connection, notices).await?;
            Ok(Reply::Done)
        }
        Order::Begin { versions, runs } => begin(connection, savepoints, versions, runs).await,
        Order::Decide { decided } => decide(connection, savepoints, decided).await,
        Order::PutCall { call } => outside::put_call(connection, call).await,
        Order::SetPaused { dag, paused } => {
            sqlx::query(statement::SET_PAUSED)
                .bind(dag.as_str())
                .bind(*paused)
                .execute(connection)
                .await?;
            Ok(Reply::Done)
        }
        Order::RemoveRuns { runs } => past::remove(connection, runs).await,
        Order::ForgetRemoved { runs } => past::forget(connection, runs).await,
        Order::ForgetSkipped { past } => past::forget_skipped(connection, past).await,
        Order::OfNotice { notice, deed } => notice::carry_out(connection, notice, deed).await,
        Order::OfAccount { entry } => account::carry_out(connection, entry).await,
        Order::PutCommand { run, kind, at } => put_command(connection, run, kind, *at).await,
        Order::Adopt { from, to, run } => adopt(connection, from, to, run.as_ref()).await,
    }
}

async fn commit(
    connection: &mut SqliteConnection,
    savepoints: &mut Texts,
    owner: &Owner,
    transitions: &[Transition],
) -> Result<Reply, Trouble> {
    let mut change = Change::default();
    // Who may say it comes first: an owner of the past is told so, whatever else is wrong.
    let contradiction = change.add(owner, transitions).err();
    let encoded = encode(&change, &[])?;
    let (owners, expansions, tasks) = (
        encoded.owners.clone(),
        encoded.expansions.clone(),
        encoded.tasks.clone(),
    );
    if contradiction.is_none() {
        let text = savepoints.get(encoded.parts);
        match execute(connection, text, encoded).await {
            Ok(()) => return Ok(Reply::Done),
            Err(error) if is_refusal(&error) => connection.execute(statement::UNDO).await?,
            Err(error) => return Err(Trouble::Failed(error)),
        };
    }
    let wrong = sqlx::query(statement::WRONG_OWNER)
        .bind(owners)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(wrong) = wrong {
        let run = row::run_id(row::get(&wrong, 0)?)?;
        return Err(Trouble::Refused(match row::get(&wrong, 1)? {
            Some(owner) => StoreError::NotOwner {
                run,
                owner: Owner(owner),
            },
            None => StoreError::UnknownRun(run),
        }));
    }
    if let Some(contradiction) = contradiction {
        return Err(Trouble::Refused(contradiction));
    }
    let fenced = sqlx::query(statement::FENCED)
        .bind("[]")
        .bind("[]")
        .bind(if expansions.is_empty() {
            "[]"
        } else {
            &expansions
        })
        .bind("[]")
        .bind(if tasks.is_empty() { "[]" } else { &tasks })
        .fetch_optional(connection)
        .await?;
    Err(Trouble::Refused(match fenced {
        Some(fenced) => StoreError::Fenced {
            run: row::run_id(row::get(&fenced, 0)?)?,
        },
        None => StoreError::Corrupt("its rules refuse a transition that seems right".to_owned()),
    }))
}

async fn put_command(
    connection: &mut SqliteConnection,
    run: &RunId,
    kind: &CommandKind,
    at: Timestamp,
) -> Result<Reply, Trouble> {
    let known = sqlx::query(statement::HAS_RUN)
        .bind(run.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    if known.is_none() {
        return Err(Trouble::Refused(StoreError::UnknownRun(run.clone())));
    }
    sqlx::query(statement::ADD_COMMAND)
        .bind(run.as_str())
        .bind(json(kind)?)
        .bind(micros(at))
        .execute(connection)
        .await?;
    Ok(Reply::Done)
}

async fn forget(
    connection: &mut SqliteConnection,
    owner: &Owner,
    heard: &[Command],
) -> Result<(), Trouble> {
    for Command { run, kind, at } in heard {
        sqlx::query(statement::FORGET_COMMAND)
            .bind(&owner.0)
            .bind(run.as_str())
            .bind(json(kind)?)
            .bind(micros(*at))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// A run that can't be read is an error of this order alone, so that it changes nothing either.
async fn adopt(
    connection: &mut SqliteConnection,
    from: &Owner,
    to: &Owner,
    run: Option<&RunId>,
) -> Result<Reply, Trouble> {
    connection.execute("SAVEPOINT change").await?;
    match take_over(connection, from, to, run).await {
        Ok(runs) => {
            connection.execute("RELEASE change").await?;
            Ok(Reply::Runs(runs))
        }
        Err(Trouble::Refused(error)) => {
            connection.execute(statement::UNDO).await?;
            Err(Trouble::Refused(error))
        }
        Err(error) => Err(error),
    }
}

async fn take_over(
    connection: &mut SqliteConnection,
    from: &Owner,
    to: &Owner,
    run: Option<&RunId>,
) -> Result<Vec<StoredRun>, Trouble> {
    let query = match run {
        Some(run) => sqlx::query(statement::ADOPT_ONE)
            .bind(&from.0)
            .bind(&to.0)
            .bind(run.as_str()),
        None => sqlx::query(statement::ADOPT_UNFINISHED)
            .bind(&from.0)
            .bind(&to.0),
    };
    let rows = query.fetch_all(&mut *connection).await?;
    let mut runs = Vec::with_capacity(rows.len());
    for found in &rows {
        let row = sqlx::query(statement::LOAD)
            .bind(row::get::<&str>(found, 0)?)
            .fetch_one(&mut *connection)
            .await?;
        runs.push(row::stored_run(&row)?);
    }
    runs.sort_by(|a, b| a.spec.id.cmp(&b.spec.id));
    Ok(runs)
}
