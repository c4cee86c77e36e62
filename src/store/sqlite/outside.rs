//! What happens outside: its SQL.

use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::store::words::micros;
use crate::store::{Call, Decided, StoreError, Thing, ThingChange};

use super::order::{Reply, Trouble};
use super::row;

pub(super) const THINGS: &str = "SELECT dag, name, stamp FROM thing ORDER BY dag, name";

pub(super) const CALLS: &str = "SELECT dag, id, detail, at FROM call ORDER BY number";

pub(super) const KEEP: &str = "
INSERT INTO thing (dag, name, stamp) VALUES ($1, $2, $3)
ON CONFLICT (dag, name) DO UPDATE SET stamp = excluded.stamp";

pub(super) const FORGET: &str = "DELETE FROM thing WHERE dag = $1 AND name = $2";

pub(super) const ADD_CALL: &str = "
INSERT INTO call (dag, id, detail, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (dag, id) DO NOTHING";

pub(super) const FORGET_CALL: &str = "DELETE FROM call WHERE dag = $1 AND id = $2";

/// What schedules have decided about things and calls.
pub(super) async fn decide(
    connection: &mut SqliteConnection,
    decided: &Decided,
) -> Result<(), Trouble> {
    for change in &decided.things {
        let query = match change {
            ThingChange::Keep(Thing { dag, name, stamp }) => {
                let query = sqlx::query(KEEP).bind(dag.as_str()).bind(name);
                query.bind(stamp)
            }
            ThingChange::Forget { dag, name } => sqlx::query(FORGET).bind(dag.as_str()).bind(name),
        };
        query.execute(&mut *connection).await?;
    }
    for (dag, id) in &decided.answered {
        let query = sqlx::query(FORGET_CALL).bind(dag.as_str()).bind(id);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn put_call(
    connection: &mut SqliteConnection,
    call: &Call,
) -> Result<Reply, Trouble> {
    sqlx::query(ADD_CALL)
        .bind(call.dag.as_str())
        .bind(&call.id)
        .bind(&*call.detail.0)
        .bind(micros(call.at))
        .execute(connection)
        .await?;
    Ok(Reply::Done)
}

/// A row of [`THINGS`].
pub(super) fn thing(found: &SqliteRow) -> Result<Thing, StoreError> {
    Ok(Thing {
        dag: row::dag_id(row::get(found, 0)?)?,
        name: row::get(found, 1)?,
        stamp: row::get(found, 2)?,
    })
}

/// A row of [`CALLS`].
pub(super) fn call(found: &SqliteRow) -> Result<Call, StoreError> {
    Ok(Call {
        dag: row::dag_id(row::get(found, 0)?)?,
        id: row::get(found, 1)?,
        detail: row::text(found, 2)?,
        at: row::time(found, 3)?,
    })
}
