//! Bulk loads through COPY.

use tokio::io::AsyncReadExt as _;

use super::session::PostgresSession;
use crate::connection::{ByteSource, DatabaseError, LoadInput, LoadMode, LoadTarget, Loaded};
use crate::data::{Batch, Columns};

/// Bytes sent at a time.
const CHUNK: usize = 256 * 1024;

/// Loads records or raw bytes into a table.
pub(super) async fn load(
    session: &mut PostgresSession,
    target: &LoadTarget,
    input: LoadInput<'_>,
) -> Result<Loaded, DatabaseError> {
    if target.mode != LoadMode::Append {
        return Err(DatabaseError::refused(
            "this mode of loading isn't there yet",
        ));
    }
    let table = quoted_table(&target.table);
    let columns = quoted_columns(&target.columns);
    match input {
        LoadInput::Records(source) => {
            let statement = format!("COPY {table}{columns} FROM STDIN");
            let mut loaded = Loaded::default();
            let mut copy = session
                .connection
                .copy_in_raw(&statement)
                .await
                .map_err(|error| super::error::of_statement(error, &statement, |offset| offset))?;
            let mut buffer = Vec::with_capacity(CHUNK);
            while let Some(batch) = source.next().await? {
                buffer.clear();
                encode(&batch, &mut buffer);
                loaded.rows += batch.rows() as u64;
                loaded.bytes += buffer.len() as u64;
                copy.send(buffer.as_slice()).await.map_err(|error| {
                    super::error::of_statement(error, &statement, |offset| offset)
                })?;
            }
            let finished = copy.finish().await;
            loaded.written =
                finished.map_err(|error| session.failed(error, &statement, |offset| offset))?;
            Ok(loaded)
        }
        LoadInput::Raw { options, bytes } => {
            let options = match options.as_str() {
                "" => String::new(),
                options => format!(" WITH ({options})"),
            };
            let statement = format!("COPY {table}{columns} FROM STDIN{options}");
            let rows = copy_in(session, &statement, bytes).await?;
            Ok(Loaded {
                rows,
                written: rows,
                bytes: 0,
            })
        }
    }
}

/// Executes a `COPY … FROM STDIN` with these bytes.
pub(super) async fn copy_in(
    session: &mut PostgresSession,
    statement: &str,
    mut bytes: ByteSource<'_>,
) -> Result<u64, DatabaseError> {
    let copied = async {
        let mut copy = session.connection.copy_in_raw(statement).await?;
        let mut buffer = vec![0; CHUNK];
        loop {
            match bytes.read(&mut buffer).await {
                Ok(0) => return copy.finish().await,
                Ok(read) => {
                    copy.send(&buffer[..read]).await?;
                }
                Err(error) => {
                    copy.abort("the input can't be read").await?;
                    return Err(error.into());
                }
            }
        }
    };
    let copied: Result<u64, sqlx::Error> = copied.await;
    copied.map_err(|error| session.failed(error, statement, |offset| offset))
}

/// Appends a batch in COPY's text format.
fn encode(batch: &Batch, buffer: &mut Vec<u8>) {
    for row in 0..batch.rows() {
        for (index, cell) in batch.row(row).enumerate() {
            if index > 0 {
                buffer.push(b'\t');
            }
            let Some(cell) = cell else {
                buffer.extend_from_slice(b"\\N");
                continue;
            };
            for byte in cell {
                match byte {
                    b'\\' => buffer.extend_from_slice(b"\\\\"),
                    b'\t' => buffer.extend_from_slice(b"\\t"),
                    b'\n' => buffer.extend_from_slice(b"\\n"),
                    b'\r' => buffer.extend_from_slice(b"\\r"),
                    byte => buffer.push(*byte),
                }
            }
        }
        buffer.push(b'\n');
    }
}

/// `schema.table` as quoted identifiers.
fn quoted_table(table: &str) -> String {
    let parts: Vec<String> = table.splitn(2, '.').map(quoted).collect();
    parts.join(".")
}

fn quoted_columns(columns: &Columns) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    format!(" ({})", names.join(", "))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
