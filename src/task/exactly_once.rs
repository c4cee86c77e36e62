//! One transaction that happens once, whatever is killed when.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{AttemptContext, TaskFailure};
use crate::connection::{Claim, Database, DatabaseError, LedgerKey, Session};
use crate::failpoint::{self, Point};

/// How long a COMMIT whose answer was lost is asked after. Afterwards the next attempt asks.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often one attempt begins again after a lost connection. Work that takes the server down
/// with it must end some day.
const FORGIVEN_LOSSES: u32 = 3;
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(200);

/// What is done in the transaction.
#[async_trait]
pub trait Work: Send {
    /// Does it, and gives the result that the ledger keeps. The transaction is begun and
    /// committed by the caller. May be called again, after a transaction that came to nothing.
    async fn carry_out(&mut self, session: &mut dyn Session) -> Result<Json, TaskFailure>;

    /// The last moment before COMMIT: what is outside of the database and must be there when the
    /// transaction is.
    async fn prepare(&mut self) -> Result<(), TaskFailure> {
        Ok(())
    }
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// What [`Work::carry_out`] gave.
    pub result: Json,
    /// An earlier attempt has done it: this one did nothing.
    pub earlier: bool,
}

/// Does work in one transaction, entered in the database's ledger first: of all attempts of one
/// generation exactly one commits. Ends soon after the attempt is cancelled, the statement on the
/// server too.
///
/// # Errors
/// The work's failure; the database can't be reached; the attempt was cancelled.
pub async fn exactly_once(
    attempt: &AttemptContext,
    database: &dyn Database,
    work: &mut dyn Work,
) -> Result<Settled, TaskFailure> {
    let mut losses = 0;
    loop {
        match once(attempt, database, work).await {
            Ok(settled) => return Ok(settled),
            Err(Broken::Lost(failure)) if losses < FORGIVEN_LOSSES => {
                losses += 1;
                let message = &failure.cause.message;
                attempt.log.warn(format!(
                    "begins again, for the connection was lost: {message}"
                ));
            }
            Err(Broken::Lost(failure) | Broken::Failed(failure)) => return Err(failure),
        }
    }
}

/// Why one try came to nothing.
enum Broken {
    /// The connection was lost: whether the server or the network ended it, the work is not to
    /// blame, and the ledger knows whether it was done.
    Lost(TaskFailure),
    Failed(TaskFailure),
}

async fn once(
    attempt: &AttemptContext,
    database: &dyn Database,
    work: &mut dyn Work,
) -> Result<Settled, Broken> {
    let purpose = attempt.purpose();
    let mut session = tokio::select! {
        session = database.session(&purpose) => {
            session.map_err(|error| Broken::Failed(error.into()))?
        }
        () = attempt.cancel.cancelled() => return Err(Broken::Failed(cancelled())),
    };
    let stopper = session.stopper();
    let committing = AtomicBool::new(false);
    let ended = {
        let work = transaction(attempt, &mut *session, work, &committing);
        tokio::pin!(work);
        tokio::select! {
            ended = &mut work => Some(ended),
            () = attempt.cancel.cancelled() => {
                if committing.load(Ordering::Relaxed) {
                    // What may be done already isn't called cancelled: its answer is waited for.
                    tokio::time::timeout(PATIENCE, work).await.ok()
                } else {
                    None
                }
            }
        }
    };
    for notice in session.notices() {
        attempt
            .log
            .info(format!("{}: {}", notice.severity, notice.message));
    }
    let Some(ended) = ended else {
        stopper.stop().await;
        return Err(Broken::Failed(cancelled()));
    };
    match ended {
        Ok(settled) => Ok(settled),
        Err(Ended::Unknown(error)) => {
            attempt.log.warn(error.to_string());
            drop(session);
            match asked(attempt, database, &attempt.ledger_key()).await {
                Some(result) => {
                    attempt.log.info("the ledger says that COMMIT took effect");
                    Ok(Settled {
                        result,
                        earlier: false,
                    })
                }
                // Perhaps the server is still at it: the claim of the next try waits for it.
                None => Err(Broken::Lost(error.into())),
            }
        }
        Err(Ended::Failed(failure)) => match session.rollback().await {
            Err(DatabaseError::Connection { .. }) => Err(Broken::Lost(failure)),
            // Otherwise the answer doesn't matter: dropping the session rolls back as well.
            _ => Err(Broken::Failed(failure)),
        },
    }
}

enum Ended {
    Failed(TaskFailure),
    /// COMMIT was sent and not answered.
    Unknown(DatabaseError),
}

impl<E: Into<TaskFailure>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

async fn transaction(
    attempt: &AttemptContext,
    session: &mut dyn Session,
    work: &mut dyn Work,
    committing: &AtomicBool,
) -> Result<Settled, Ended> {
    let key = attempt.ledger_key();
    session.begin().await?;
    if let Claim::Done(result) = session.claim(&key).await? {
        session.rollback().await?;
        attempt
            .log
            .info("an earlier attempt has committed this: nothing is done again");
        return Ok(Settled {
            result,
            earlier: true,
        });
    }
    let result = work.carry_out(session).await?;
    session.settle(&key, &result).await?;
    work.prepare().await?;
    committing.store(true, Ordering::Relaxed);
    failpoint::pass(Point::BeforeLoadCommit);
    match session.commit().await {
        Ok(()) => {
            failpoint::pass(Point::AfterLoadCommit);
            Ok(Settled {
                result,
                earlier: false,
            })
        }
        Err(error @ DatabaseError::UnknownCommit { .. }) => Err(Ended::Unknown(error)),
        Err(error) => Err(error.into()),
    }
}

/// What the ledger says, as soon as the server can be asked. The question is another claim, which
/// waits when the server is still at the COMMIT; it is never committed itself.
async fn asked(attempt: &AttemptContext, database: &dyn Database, key: &LedgerKey) -> Option<Json> {
    let ask = async {
        loop {
            if let Ok(mut session) = database.session(&attempt.purpose()).await
                && session.begin().await.is_ok()
                && let Ok(claim) = session.claim(key).await
            {
                return match claim {
                    Claim::Done(result) => Some(result),
                    Claim::New => None,
                };
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        settled = tokio::time::timeout(PATIENCE, ask) => settled.ok().flatten(),
        () = attempt.cancel.cancelled() => None,
    }
}

fn cancelled() -> TaskFailure {
    TaskFailure::retryable("cancelled")
}
