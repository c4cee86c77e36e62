//! Sending statements.

use super::failure::{of_rows, of_statement};
use super::{Prepared, Ready};
use crate::connection::{Fetched, Session};
use crate::task::{AttemptContext, TaskFailure};

/// Executes one statement and gives the number of the rows that it touched or gave; those that it
/// gave are dropped.
pub(in crate::task) async fn execute(
    session: &mut dyn Session,
    prepared: &Prepared<'_>,
    ready: &Ready<'_>,
) -> Result<u64, TaskFailure> {
    let failed = |error| of_statement(prepared, ready, error);
    if let Some(data) = &ready.part.data {
        let mut bytes = prepared.code.script.text[data.clone()].as_bytes();
        let input = std::pin::Pin::new(&mut bytes);
        return session
            .copy_in(&ready.statement.text, input)
            .await
            .map_err(failed);
    }
    match session.fetch(&ready.statement).await.map_err(failed)? {
        Fetched::Touched(touched) => Ok(touched),
        Fetched::Rows(mut rows) => {
            let mut count = 0;
            let failed = |error| of_rows(prepared, ready, error);
            while let Some(batch) = rows.next().await.map_err(failed)? {
                count += batch.rows() as u64;
            }
            Ok(count)
        }
    }
}

/// Puts what the server has said beside its answers into the log.
pub(in crate::task) fn log_notices(attempt: &AttemptContext, session: &mut dyn Session) {
    for notice in session.notices() {
        let text = format!("{}: {}", notice.severity.to_lowercase(), notice.message);
        if notice.severity == "WARNING" {
            attempt.log.warn(text);
        } else {
            attempt.log.info(text);
        }
    }
}
