//! Records into a table, in one transaction that happens once.

use std::pin::Pin;

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, ReadBuf};

use super::TableSink;
use crate::connection::{LoadInput, LoadMode, LoadTarget, Loaded, ReplaceBy, Session, TableShape};
use crate::data::csv::RawCsv;
use crate::data::{Column, Columns, DataError, Format, RecordSource, Rejects};
use crate::task::transfer::flow::{Consumer, Flow, finish};
use crate::task::transfer::keep::{Kept, Nothing};
use crate::task::transfer::plan::database;
use crate::task::{
    AttemptContext, Metrics, Progress, TaskFailure, TaskOutput, TaskResult, Work, exactly_once,
};

/// Loads the records of a copy into a table.
pub(super) async fn run(flow: &Flow, sink: &TableSink, attempt: &AttemptContext) -> TaskResult {
    let database = database(attempt, sink.connection.as_str())?;
    let mut load = Load {
        flow,
        sink,
        attempt,
        table: sink.table.render(&attempt.scope)?,
        rejects: None,
    };
    let settled = exactly_once(attempt, database, &mut load).await?;
    let number = |name: &str| settled.result.get(name).and_then(Json::as_u64);
    let outputs = match &settled.result {
        Json::Object(outputs) => outputs.clone(),
        _ => serde_json::Map::new(),
    };
    Ok(TaskOutput {
        outputs,
        metrics: Metrics {
            rows: number("rows"),
            bytes: number("bytes"),
            made: vec![format!("{} in {}", load.table, sink.connection)],
            summary: None,
        },
        ..TaskOutput::default()
    })
}

struct Load<'a> {
    flow: &'a Flow,
    sink: &'a TableSink,
    attempt: &'a AttemptContext,
    table: String,
    rejects: Option<Rejects>,
}

#[async_trait]
impl Work for Load<'_> {
    async fn carry_out(&mut self, session: &mut dyn Session) -> Result<Json, TaskFailure> {
        let shape = session.table(&self.table).await?;
        self.rejects = self.flow.rejects(self.attempt)?;
        let passed = self.raw(session, &shape).await?;
        let (loaded, bytes) = if let Some(done) = passed {
            done
        } else {
            let mut pour = Pour {
                load: self,
                session,
                shape: &shape,
                loaded: Loaded::default(),
            };
            let rejects = pour.load.rejects.clone();
            let bytes = self
                .flow
                .pass(self.attempt, rejects.as_ref(), &mut pour)
                .await?;
            (pour.loaded, bytes)
        };
        Ok(self.report(loaded, bytes))
    }

    async fn prepare(&mut self) -> Result<(), TaskFailure> {
        finish(self.rejects.as_ref())
    }
}

impl Load<'_> {
    fn mode(&self) -> LoadMode {
        match &self.sink.mode {
            // The query reads while the load writes: with TRUNCATE each would wait for the other.
            LoadMode::Replace { .. }
                if self.flow.from.connection() == Some(self.sink.connection.as_str()) =>
            {
                LoadMode::Replace {
                    by: ReplaceBy::Delete,
                }
            }
            mode => mode.clone(),
        }
    }

    /// Passes the bytes of CSV files through when nothing has to be done to them.
    async fn raw(
        &self,
        session: &mut dyn Session,
        shape: &TableShape,
    ) -> Result<Option<(Loaded, u64)>, TaskFailure> {
        let Some(files) = self.flow.from.as_files() else {
            return Ok(None);
        };
        let Some(options) = files.dialect.copy_options() else {
            return Ok(None);
        };
        let mapping = &self.flow.mapping;
        let typed = mapping
            .fields
            .iter()
            .flatten()
            .any(|field| field.r#type.is_some() || field.required);
        if !self.sink.takes_csv || self.rejects.is_some() || typed || mapping.filter.is_some() {
            return Ok(None);
        }
        let found = files.find(self.attempt).await?;
        if found.format != Format::Csv {
            return Ok(None);
        }
        let Some(raw) = RawCsv::open(found.files, files.dialect.clone()).await? else {
            return Ok(None);
        };
        let names: Vec<String> = raw
            .columns()
            .iter()
            .map(|column| column.name.to_string())
            .collect();
        let Some(names) = mapping.renames(&names) else {
            return Ok(None);
        };
        let computed = |name: &String| shape.columns.iter().any(|c| c.generated && c.name == *name);
        if names.iter().any(computed) {
            return Ok(None);
        }
        let target = LoadTarget {
            table: self.table.clone(),
            columns: names.iter().map(|name| Column::text(name)).collect(),
            mode: self.mode(),
        };
        let lines = raw.lines().clone();
        let mut bytes = Watched {
            raw,
            progress: &self.attempt.progress,
            read: &found.bytes_read,
            told: 0,
        };
        let pinned: Pin<&mut Watched<'_>> = Pin::new(&mut bytes);
        let input = LoadInput::Raw {
            options,
            bytes: pinned,
        };
        match session.load(&target, input).await {
            Ok(loaded) => Ok(Some((loaded, found.total))),
            Err(error) => Err(match bytes.raw.take_failure() {
                Some(failure) => failure.into(),
                None => match error.refused_record() {
                    Some(refused) => {
                        let place = lines.find(refused.line);
                        DataError::from(refused.into_reject(place, String::new())).into()
                    }
                    None => error.into(),
                },
            }),
        }
    }

    /// Says what was done, and gives what the ledger keeps.
    fn report(&self, loaded: Loaded, bytes: u64) -> Json {
        let log = &self.attempt.log;
        let rejected = self.rejects.as_ref().map_or(0, Rejects::count);
        log.info(format!(
            "{} records into `{}`: {} rows written",
            loaded.rows, self.table, loaded.written
        ));
        let left = loaded.rows.saturating_sub(loaded.written);
        if left > 0 {
            match self.sink.mode {
                LoadMode::Upsert { .. } => log.info(format!(
                    "{left} records had the key of a later one: the last one counts"
                )),
                LoadMode::InsertNew { .. } => {
                    log.info(format!("{left} records had a key that was there: left out"));
                }
                LoadMode::Append | LoadMode::Replace { .. } => {}
            }
        }
        self.flow
            .warn_of_rejects(self.attempt, self.rejects.as_ref());
        json!({
            "rows": loaded.rows,
            "written": loaded.written,
            "rejected": rejected,
            "bytes": bytes,
        })
    }
}

/// Hands mapped records to the session.
struct Pour<'a, 'b> {
    load: &'a Load<'b>,
    session: &'a mut dyn Session,
    shape: &'a TableShape,
    loaded: Loaded,
}

#[async_trait]
impl Consumer for Pour<'_, '_> {
    async fn consume(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure> {
        let rejects = self.load.rejects.clone();
        if self.load.flow.mapping.is_nothing() {
            let columns = source.columns().clone();
            let shape = self.shape;
            let computed = |name: &str| shape.columns.iter().any(|c| c.generated && c.name == name);
            if columns.iter().any(|column| computed(&column.name)) {
                // The values of columns that the database computes are left out.
                let mut kept = Kept::new(source, |column| !computed(&column.name));
                return self.pour(&mut kept, rejects.as_ref()).await;
            }
        }
        self.pour(source, rejects.as_ref()).await
    }
}

impl Pour<'_, '_> {
    async fn pour(
        &mut self,
        source: &mut dyn RecordSource,
        rejects: Option<&Rejects>,
    ) -> Result<(), TaskFailure> {
        let columns: Columns = source.columns().clone();
        if columns.is_empty() {
            // A dataset without any record has no columns: there is nothing to load, but a table
            // may have to become empty.
            if source.next().await?.is_none() {
                return self.load_nothing().await;
            }
        }
        let target = LoadTarget {
            table: self.load.table.clone(),
            columns,
            mode: self.load.mode(),
        };
        let input = match rejects {
            Some(rejects) => LoadInput::Sifted {
                records: source,
                rejects,
            },
            None => LoadInput::Records(source),
        };
        self.loaded = self.session.load(&target, input).await?;
        Ok(())
    }

    async fn load_nothing(&mut self) -> Result<(), TaskFailure> {
        let Some(column) = self.shape.columns.iter().find(|column| !column.generated) else {
            return Ok(());
        };
        let columns: Columns = [Column::text(&column.name)].into();
        if let mode @ LoadMode::Replace { .. } = self.load.mode() {
            let target = LoadTarget {
                table: self.load.table.clone(),
                columns: columns.clone(),
                mode,
            };
            let mut nothing = Nothing { columns };
            self.session
                .load(&target, LoadInput::Records(&mut nothing))
                .await?;
        }
        Ok(())
    }
}

/// Bytes on their way to the server, with the progress they make.
struct Watched<'a> {
    raw: RawCsv,
    progress: &'a Progress,
    read: &'a std::sync::atomic::AtomicU64,
    told: u64,
}

impl AsyncRead for Watched<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.raw).poll_read(context, buffer);
        let new = &buffer.filled()[before..];
        if !new.is_empty() {
            let read = self.read.load(std::sync::atomic::Ordering::Relaxed);
            // A record of several lines counts several times: it's only the progress.
            let lines = memchr::memchr_iter(b'\n', new).count();
            self.progress.add(lines as u64, read - self.told);
            self.told = read;
        }
        polled
    }
}
