//! A COPY that leaves bad records out.
//!
//! Records go in pieces, each behind a savepoint. The server says which record of a piece it
//! refuses: the piece is undone, sent again up to that record, and the rest goes on behind it. So
//! every rule of the table counts, types and constraints, in any version of the server.

use super::encode::encode;
use serde_json::Value as Json;

use crate::connection::postgres::session::PostgresSession;
use crate::connection::{DatabaseError, Loaded, RefusedRecord};
use crate::data::{Batch, RecordSource, Rejects};

/// Records of a piece: fewer where there are many bad ones.
const LARGEST: usize = 8192;
const SMALLEST: usize = 64;

pub(super) async fn load(
    session: &mut PostgresSession,
    into: &str,
    source: &mut dyn RecordSource,
    rejects: &Rejects,
) -> Result<Loaded, DatabaseError> {
    let mut sieve = Sieve {
        statement: format!("COPY {into} FROM STDIN"),
        piece: LARGEST,
        buffer: Vec::new(),
    };
    let mut loaded = Loaded::default();
    while let Some(batch) = source.next().await? {
        let mut start = 0;
        // The record before which the current piece ends, because it is bad.
        let mut bad: Option<(usize, RefusedRecord)> = None;
        while start < batch.rows() {
            let end = match &bad {
                Some((row, _)) => *row,
                None => batch.rows().min(start + sieve.piece),
            };
            if let Some(refused) = sieve.send(session, &batch, start, end).await? {
                // Types are checked before constraints, so that an earlier record may come later.
                let at = usize::try_from(refused.line).unwrap_or(usize::MAX);
                bad = Some(((start + at - 1).min(end - 1), refused));
                sieve.piece = (sieve.piece / 2).max(SMALLEST);
                continue;
            }
            loaded.written += (end - start) as u64;
            loaded.bytes += sieve.buffer.len() as u64;
            start = end;
            match bad.take() {
                Some((row, refused)) => {
                    let place = source.place(loaded.rows + row as u64);
                    rejects.add(
                        refused
                            .into_reject(place, Json::Object(batch.row_as_json(row)).to_string()),
                    );
                    start = row + 1;
                }
                None => sieve.piece = (sieve.piece * 2).min(LARGEST),
            }
        }
        loaded.rows += batch.rows() as u64;
    }
    Ok(loaded)
}

struct Sieve {
    statement: String,
    piece: usize,
    buffer: Vec<u8>,
}

impl Sieve {
    /// Sends records; gives the one that the server refuses.
    async fn send(
        &mut self,
        session: &mut PostgresSession,
        batch: &Batch,
        start: usize,
        end: usize,
    ) -> Result<Option<RefusedRecord>, DatabaseError> {
        self.buffer.clear();
        if start == end {
            return Ok(None);
        }
        encode(batch, start..end, &mut self.buffer);
        session.simple("SAVEPOINT runner_piece").await?;
        let notices = session.notices.clone();
        let copied = notices.during(async {
            let mut copy = session.connection.copy_in_raw(&self.statement).await?;
            copy.send(self.buffer.as_slice()).await?;
            copy.finish().await
        });
        let Err(error) = copied.await else {
            session.simple("RELEASE SAVEPOINT runner_piece").await?;
            return Ok(None);
        };
        let error = session.failed(error, &self.statement, |offset| offset);
        let Some(refused) = error.refused_record() else {
            return Err(error);
        };
        session
            .simple("ROLLBACK TO SAVEPOINT runner_piece; RELEASE SAVEPOINT runner_piece")
            .await?;
        session.broken = false;
        Ok(Some(refused))
    }
}
