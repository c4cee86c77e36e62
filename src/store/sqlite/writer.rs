//! The one task that writes: it takes everything that is pending, makes it durable with one
//! commit, and answers.

use std::sync::Arc;
use std::time::Instant;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};
use tokio::sync::{mpsc, oneshot};

use crate::failpoint::{self, Point};
use crate::store::change::Change;
use crate::store::{CommitTimes, StoreError};

use super::encode::{Encoded, encode};
use super::error::{is_busy, is_refusal};
use super::open::Settings;
use super::order::{Order, Reply, Texts, Trouble, carry_out, execute};
use super::statement::{BEGIN, COMMIT, Parts, ROLLBACK};

/// Most requests that share a commit.
const MAX_GROUP: usize = 512;

/// Something to make durable, and who waits for it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) order: Order,
    pub(super) done: oneshot::Sender<Result<Reply, StoreError>>,
}

impl Request {
    /// Whoever asked may be gone: that is nobody's loss.
    fn answer(self, answer: Result<Reply, StoreError>) {
        drop(self.done.send(answer));
    }
}

/// The writer's connection and its texts.
pub(super) struct Writer {
    settings: Settings,
    /// Opened anew after an error that may have left it in disorder.
    connection: Option<SqliteConnection>,
    transactions: Texts,
    savepoints: Texts,
    times: Arc<CommitTimes>,
}

impl Writer {
    pub(super) fn new(
        settings: Settings,
        connection: SqliteConnection,
        times: Arc<CommitTimes>,
    ) -> Self {
        Self {
            settings,
            connection: Some(connection),
            transactions: Texts::new(Parts::transaction),
            savepoints: Texts::new(Parts::savepoint),
            times,
        }
    }

    /// Works until every sender is gone.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut group = Vec::new();
        while requests.recv_many(&mut group, MAX_GROUP).await > 0 {
            failpoint::pass(Point::BeforeStoreWrite);
            let began = Instant::now();
            self.write(std::mem::take(&mut group)).await;
            self.times.count(began.elapsed());
        }
        if let Some(connection) = self.connection {
            // The data is durable already; this folds the log into the file.
            drop(connection.close().await);
        }
    }

    async fn write(&mut self, group: Vec<Request>) {
        if let Some(encoded) = merge(&group) {
            match self.write_at_once(encoded).await {
                Ok(()) => {
                    failpoint::pass(Point::AfterStoreWrite);
                    for request in group {
                        request.answer(Ok(Reply::Done));
                    }
                    return;
                }
                // One request can't be; which one, is found out below.
                Err(error) if is_refusal(&error) => self.roll_back().await,
                Err(error) => return self.fail(group, &error).await,
            }
        }
        match self.write_each(&group).await {
            Ok(replies) => {
                failpoint::pass(Point::AfterStoreWrite);
                for (request, reply) in group.into_iter().zip(replies) {
                    request.answer(reply);
                }
            }
            Err(error) => self.fail(group, &error).await,
        }
    }

    /// Writes everything as one transaction in one round trip.
    async fn write_at_once(&mut self, encoded: Encoded) -> Result<(), sqlx::Error> {
        let text = self.transactions.get(encoded.parts);
        let connection = connected(&mut self.connection, &self.settings).await?;
        execute(connection, text, encoded).await
    }

    /// Carries requests out in their order within one transaction, which those that are refused
    /// leave untouched.
    async fn write_each(
        &mut self,
        group: &[Request],
    ) -> Result<Vec<Result<Reply, StoreError>>, sqlx::Error> {
        let connection = connected(&mut self.connection, &self.settings).await?;
        connection.execute(BEGIN).await?;
        let mut replies = Vec::with_capacity(group.len());
        for request in group {
            match carry_out(connection, &mut self.savepoints, &request.order).await {
                Ok(reply) => replies.push(Ok(reply)),
                Err(Trouble::Refused(error)) => replies.push(Err(error)),
                Err(Trouble::Failed(error)) => return Err(error),
            }
        }
        connection.execute(COMMIT).await?;
        Ok(replies)
    }

    /// Answers with an error that is nobody's fault.
    async fn fail(&mut self, group: Vec<Request>, error: &sqlx::Error) {
        self.times.fail();
        self.roll_back().await;
        if !is_busy(error) {
            self.connection = None;
        }
        let error = self.settings.place.explain("written", error);
        for request in group {
            request.answer(Err(error.clone()));
        }
    }

    async fn roll_back(&mut self) {
        if let Some(connection) = &mut self.connection {
            // It fails when SQLite has rolled back by itself.
            drop(connection.execute(ROLLBACK).await);
        }
    }
}

async fn connected<'a>(
    connection: &'a mut Option<SqliteConnection>,
    settings: &Settings,
) -> Result<&'a mut SqliteConnection, sqlx::Error> {
    match connection {
        Some(connection) => Ok(connection),
        None => Ok(connection.insert(settings.connect().await?)),
    }
}

/// All requests as one change; `None` when they are of another kind, or contradict each other.
/// Runs are created first: nobody speaks of a run before he knows that it exists.
fn merge(group: &[Request]) -> Option<Encoded> {
    let mut change = Change::default();
    let mut new_runs = Vec::new();
    for request in group {
        match &request.order {
            Order::Commit {
                owner,
                transitions,
                heard,
                notices,
            } if heard.is_empty() && notices.is_empty() => change.add(owner, transitions).ok()?,
            Order::Begin { versions, runs } if versions.is_empty() => new_runs.extend(runs),
            _ => return None,
        }
    }
    encode(&change, &new_runs).ok()
}
