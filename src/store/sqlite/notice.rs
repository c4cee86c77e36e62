//! What is to be told: its SQL and its rows.

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::model::{Json, Occasion, Timestamp};
use crate::store::words::{micros, moment};
use crate::store::{Admission, Failing, Notice, NoticeLimit, Owner, StoreError};

use super::order::{Reply, Trouble};
use super::row;

pub(super) const END_FAILING: &str = "DELETE FROM failing WHERE dag = $1 AND run <= $2";

pub(super) const ADD: &str = "
INSERT INTO notice (run, occasion, at, dag, owner, tries, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (run, occasion, at) DO NOTHING";

pub(super) const BEGIN_FAILING: &str = "
INSERT INTO failing (dag, run, since, failures) VALUES ($1, $2, $3, 1)
ON CONFLICT (dag) DO UPDATE SET run = max(run, excluded.run), failures = failures + 1";

pub(super) const ALL: &str = "
SELECT run, occasion, at, dag, owner, tries, detail FROM notice ORDER BY at, run, occasion";

pub(super) const FAILING: &str = "SELECT run, since, failures FROM failing WHERE dag = $1";

pub(super) const TAKE: &str = "
UPDATE notice SET owner = $4
WHERE run = $1 AND occasion = $2 AND at = $3 AND owner IN ($4, $5)";

pub(super) const COUNTED: &str =
    "SELECT held FROM notice WHERE run = $1 AND occasion = $2 AND at = $3";

pub(super) const WINDOW: &str =
    "SELECT told, held FROM notice_window WHERE dag = $1 AND since > $2";

pub(super) const HELD_BEFORE: &str = "SELECT held FROM notice_window WHERE dag = $1";

pub(super) const SET_WINDOW: &str = "
INSERT INTO notice_window (dag, since, told, held) VALUES ($1, $2, $3, $4)
ON CONFLICT (dag) DO UPDATE SET told = excluded.told, held = excluded.held,
  since = CASE WHEN since > $5 THEN since ELSE excluded.since END";

pub(super) const COUNT: &str =
    "UPDATE notice SET held = $4 WHERE run = $1 AND occasion = $2 AND at = $3";

pub(super) const TRY: &str =
    "UPDATE notice SET tries = $4 WHERE run = $1 AND occasion = $2 AND at = $3";

pub(super) const SETTLE: &str = "DELETE FROM notice WHERE run = $1 AND occasion = $2 AND at = $3";

/// What the writer does with a notice.
#[derive(Debug)]
pub(super) enum Deed {
    Take { to: Owner },
    Admit { limit: NoticeLimit },
    Try { tries: u32 },
    Settle,
}

/// A statement about one notice.
macro_rules! about {
    ($text:expr, $notice:expr) => {
        sqlx::query($text)
            .bind($notice.run.as_str())
            .bind($notice.occasion.as_str())
            .bind(micros($notice.at))
    };
}

pub(super) async fn add(
    connection: &mut SqliteConnection,
    notices: &[Notice],
) -> Result<(), Trouble> {
    for notice in notices {
        if notice.occasion == Occasion::Recovery {
            let ended = sqlx::query(END_FAILING)
                .bind(notice.dag.as_str())
                .bind(notice.run.as_str())
                .execute(&mut *connection)
                .await?;
            if ended.rows_affected() == 0 {
                continue;
            }
        }
        let added = about!(ADD, notice)
            .bind(notice.dag.as_str())
            .bind(&notice.owner.0)
            .bind(notice.tries)
            .bind(&*notice.detail.0)
            .execute(&mut *connection)
            .await?;
        if notice.occasion == Occasion::Failure && added.rows_affected() > 0 {
            sqlx::query(BEGIN_FAILING)
                .bind(notice.dag.as_str())
                .bind(notice.run.as_str())
                .bind(micros(notice.at))
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

pub(super) async fn carry_out(
    connection: &mut SqliteConnection,
    notice: &Notice,
    deed: &Deed,
) -> Result<Reply, Trouble> {
    match deed {
        Deed::Take { to } => {
            let taken = about!(TAKE, notice)
                .bind(&to.0)
                .bind(&notice.owner.0)
                .execute(connection)
                .await?;
            Ok(Reply::Taken(taken.rows_affected() > 0))
        }
        Deed::Admit { limit } => admit(connection, notice, *limit).await,
        Deed::Try { tries } => {
            about!(TRY, notice).bind(tries).execute(connection).await?;
            Ok(Reply::Done)
        }
        Deed::Settle => {
            about!(SETTLE, notice).execute(connection).await?;
            Ok(Reply::Done)
        }
    }
}

async fn admit(
    connection: &mut SqliteConnection,
    notice: &Notice,
    limit: NoticeLimit,
) -> Result<Reply, Trouble> {
    let found = about!(COUNTED, notice)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(found) = found else {
        return Ok(Reply::Admitted(Admission::Gone));
    };
    if let Some(held) = row::get::<Option<i64>>(&found, 0)? {
        let held = held.unsigned_abs();
        return Ok(Reply::Admitted(Admission::Tell { held }));
    }
    let dag = notice.dag.as_str();
    let window = sqlx::query(WINDOW)
        .bind(dag)
        .bind(micros(limit.begun_by))
        .fetch_optional(&mut *connection)
        .await?;
    let (told, held): (i64, i64) = if let Some(window) = window {
        (row::get(&window, 0)?, row::get(&window, 1)?)
    } else {
        let before = sqlx::query(HELD_BEFORE)
            .bind(dag)
            .fetch_optional(&mut *connection)
            .await?;
        let held = before.map_or(Ok(0), |before| row::get(&before, 0))?;
        (0, held)
    };
    let admitted = told < i64::from(limit.most);
    let (told, kept) = if admitted {
        (told + 1, 0)
    } else {
        (told, held + 1)
    };
    sqlx::query(SET_WINDOW)
        .bind(dag)
        .bind(micros(limit.now))
        .bind(told)
        .bind(kept)
        .bind(micros(limit.begun_by))
        .execute(&mut *connection)
        .await?;
    if !admitted {
        about!(SETTLE, notice).execute(connection).await?;
        return Ok(Reply::Admitted(Admission::Held));
    }
    about!(COUNT, notice).bind(held).execute(connection).await?;
    let held = held.unsigned_abs();
    Ok(Reply::Admitted(Admission::Tell { held }))
}

/// A row of [`ALL`].
pub(super) fn notice(found: &SqliteRow) -> Result<Notice, StoreError> {
    let word: &str = row::get(found, 1)?;
    let occasion = Occasion::ALL
        .into_iter()
        .find(|occasion| occasion.as_str() == word);
    Ok(Notice {
        run: row::run_id(row::get(found, 0)?)?,
        occasion: occasion
            .ok_or_else(|| StoreError::Corrupt(format!("`{word}` is no occasion")))?,
        at: time(row::get(found, 2)?)?,
        dag: row::dag_id(row::get(found, 3)?)?,
        owner: Owner(row::get(found, 4)?),
        tries: u32::try_from(row::get::<i64>(found, 5)?).unwrap_or(u32::MAX),
        detail: Json(row::get::<&str>(found, 6)?.into()),
    })
}

/// A row of [`FAILING`].
pub(super) fn failing(found: &SqliteRow) -> Result<Failing, StoreError> {
    Ok(Failing {
        run: row::run_id(row::get(found, 0)?)?,
        since: time(row::get(found, 1)?)?,
        failures: row::get::<i64>(found, 2)?.unsigned_abs(),
    })
}

fn time(micros: i64) -> Result<Timestamp, StoreError> {
    moment(micros).ok_or_else(|| StoreError::Corrupt(format!("`{micros}` is not a time")))
}
