//! One COPY.

use tokio::io::AsyncReadExt as _;

use super::encode::encode;
use super::sift;
use crate::connection::postgres::session::PostgresSession;
use crate::connection::{ByteSource, DatabaseError, LoadInput, Loaded};
use crate::data::{DataError, RecordSource};

/// Bytes sent at a time.
const CHUNK: usize = 256 * 1024;

/// Copies the input into `into`, a quoted table with its list of columns.
pub(super) async fn pour(
    session: &mut PostgresSession,
    into: &str,
    freeze: bool,
    input: LoadInput<'_>,
) -> Result<Loaded, DatabaseError> {
    match input {
        LoadInput::Records(source) => {
            let options = if freeze { " WITH (FREEZE)" } else { "" };
            let statement = format!("COPY {into} FROM STDIN{options}");
            records(session, &statement, source).await
        }
        LoadInput::Raw { options, bytes } => {
            let freeze = if freeze { ", FREEZE" } else { "" };
            let statement = format!("COPY {into} FROM STDIN WITH ({options}{freeze})");
            let mut sent = 0;
            let rows = raw(session, &statement, bytes, &mut sent).await?;
            Ok(Loaded {
                rows,
                written: rows,
                bytes: sent,
            })
        }
        LoadInput::Sifted { records, rejects } => sift::load(session, into, records, rejects).await,
    }
}

async fn records(
    session: &mut PostgresSession,
    statement: &str,
    source: &mut dyn RecordSource,
) -> Result<Loaded, DatabaseError> {
    let mut loaded = Loaded::default();
    let notices = session.notices.clone();
    let copied = notices.during(async {
        let mut copy = session.connection.copy_in_raw(statement).await?;
        let mut buffer = Vec::with_capacity(CHUNK);
        loop {
            let batch = match source.next().await {
                Ok(Some(batch)) => batch,
                Ok(None) => return copy.finish().await.map(Ok),
                Err(error) => {
                    // Its own complaint, if the server has one, is about an earlier record.
                    copy.abort("the records can't be read").await?;
                    return Ok(Err(error));
                }
            };
            buffer.clear();
            encode(&batch, 0..batch.rows(), &mut buffer);
            loaded.rows += batch.rows() as u64;
            loaded.bytes += buffer.len() as u64;
            copy.send(buffer.as_slice()).await?;
        }
    });
    let copied: Result<Result<u64, DataError>, sqlx::Error> = copied.await;
    match copied {
        Ok(Ok(written)) => Ok(Loaded { written, ..loaded }),
        Ok(Err(error)) => {
            session.broken = true;
            Err(error.into())
        }
        Err(error) => {
            let error = session.failed(error, statement, |offset| offset);
            Err(match error.refused_record() {
                Some(refused) => {
                    let place = source.place(refused.line - 1);
                    let reject = refused.into_reject(place, String::new());
                    DatabaseError::Data(reject.into())
                }
                None => error,
            })
        }
    }
}

/// Executes a `COPY … FROM STDIN` with these bytes.
pub(in crate::connection::postgres) async fn copy_in(
    session: &mut PostgresSession,
    statement: &str,
    bytes: ByteSource<'_>,
) -> Result<u64, DatabaseError> {
    raw(session, statement, bytes, &mut 0).await
}

async fn raw(
    session: &mut PostgresSession,
    statement: &str,
    mut bytes: ByteSource<'_>,
    sent: &mut u64,
) -> Result<u64, DatabaseError> {
    let notices = session.notices.clone();
    let copied = notices.during(async {
        let mut copy = session.connection.copy_in_raw(statement).await?;
        let mut buffer = vec![0; CHUNK];
        loop {
            match bytes.read(&mut buffer).await {
                Ok(0) => return copy.finish().await,
                Ok(read) => {
                    *sent += read as u64;
                    copy.send(&buffer[..read]).await?;
                }
                Err(error) => {
                    copy.abort("the input can't be read").await?;
                    return Err(error.into());
                }
            }
        }
    });
    let copied: Result<u64, sqlx::Error> = copied.await;
    copied.map_err(|error| session.failed(error, statement, |offset| offset))
}
