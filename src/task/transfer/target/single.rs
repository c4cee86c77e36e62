//! Records into one file, in place of an earlier one: as a stream, without anything put aside.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::definition::Files;
use super::path::PathPart;
use crate::connection::Bucket;
use crate::data::{Compression, FileSink, Format, RecordSource, Rejects, Written};
use crate::task::transfer::flow::{Consumer, Flow, finish};
use crate::task::{AttemptContext, TaskFailure, TaskResult};

pub(super) async fn run(files: &Files, flow: &Flow, attempt: &AttemptContext) -> TaskResult {
    let mut path = String::new();
    for part in &files.path.parts {
        match part {
            PathPart::Text(text) => path.push_str(text),
            PathPart::Fixed(template) => path.push_str(&template.render(&attempt.scope)?),
            PathPart::Value(_) => {}
        }
    }
    let (format, compression) = files.format(&path)?;
    let store = files.store(attempt)?;
    let shown = store.shown(&path);
    let rejects = flow.rejects(attempt)?;
    let mut write = Write {
        store,
        path: path.into(),
        format,
        compression,
        rejects: rejects.as_ref(),
        written: Written { rows: 0, bytes: 0 },
    };
    flow.pass_until_cancelled(attempt, rejects.as_ref(), &mut write)
        .await?;
    let written = write.written;
    let Written { rows, bytes } = written;
    attempt
        .log
        .info(format!("{rows} records into `{shown}` ({bytes} bytes)"));
    Ok(flow.output(attempt, &written, rejects.as_ref(), vec![shown]))
}

struct Write<'a> {
    store: Arc<dyn Bucket>,
    path: PathBuf,
    format: Format,
    compression: Compression,
    rejects: Option<&'a Rejects>,
    written: Written,
}

#[async_trait]
impl Consumer for Write<'_> {
    async fn consume(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure> {
        let columns = source.columns().clone();
        let (path, format, compression) = (self.path.clone(), self.format, self.compression);
        let store = self.store.clone();
        let mut sink = FileSink::create_in(store, path, format, compression, columns).await?;
        while let Some(batch) = source.next().await? {
            sink.write(batch).await?;
        }
        finish(self.rejects)?;
        self.written = sink.finish().await?;
        Ok(())
    }
}
