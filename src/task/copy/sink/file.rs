//! A file as a sink.

use std::path::Path;

use async_trait::async_trait;

use super::{Sink, SinkKind};
use crate::data::{Compression, FileSink, Format, RecordSource, Rejects, Written};
use crate::document::{Diagnostic, FromNode, Node, Spanned};
use crate::task::copy::end::Selection;
use crate::task::copy::flow::{Consumer, Flow, finish};
use crate::task::{AttemptContext, Surroundings, TaskFailure, TaskResult};
use crate::template::Template;

pub(super) const KIND: SinkKind = SinkKind {
    name: "file",
    doc: "A file of the project, written anew: it appears when it is complete, in place of an \
earlier one.",
    selection: Selection {
        connections: &[],
        keys: &[],
        alone: &["file"],
    },
    schema: <ToFile as FromNode>::schema,
    parse,
};

crate::record! {
    /// A file.
    struct ToFile as "a `to` with a file" {
        /// The file.
        file: Spanned<String>,
        /// `csv` or `ndjson`, where the extension doesn't say it.
        format: Option<Format>,
        /// `gzip`, `zstd` or `none`, where the extension doesn't say it.
        compression: Option<Compression>,
    }
}

/// A file that is written.
#[derive(Debug)]
struct Target {
    path: Template,
    format: Option<Format>,
    compression: Option<Compression>,
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Sink>> {
    let to = ToFile::from_node(node, surroundings.report)?;
    let path = surroundings.template(&to.file)?;
    let format = to.format.or_else(|| Format::of(Path::new(&to.file.value)));
    if format.is_none() && path.is_literal() {
        surroundings.report.push(
            Diagnostic::error(
                "unknown-format",
                format!("the extension of `{}` doesn't say its format", to.file.value),
                to.file.span,
            )
            .help("use `.csv`, `.ndjson` or `.jsonl`, packed as `.gz` or `.zst` or not; or add `format: csv`"),
        );
        return None;
    }
    Some(Box::new(Target {
        path,
        format,
        compression: to.compression,
    }))
}

#[async_trait]
impl Sink for Target {
    async fn run(&self, flow: &Flow, attempt: &AttemptContext) -> TaskResult {
        let shown = self.path.render(&attempt.scope)?;
        let path = attempt.places.root.join(&shown);
        let format = self.format.or_else(|| Format::of(&path)).ok_or_else(|| {
            TaskFailure::permanent(format!(
                "the extension of `{shown}` doesn't say its format: add `format: csv` or `format: ndjson`"
            ))
        })?;
        let rejects = flow.rejects(attempt)?;
        let mut write = Write {
            compression: self.compression.unwrap_or_else(|| Compression::of(&path)),
            path: &path,
            format,
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
}

struct Write<'a> {
    path: &'a Path,
    format: Format,
    compression: Compression,
    rejects: Option<&'a Rejects>,
    written: Written,
}

#[async_trait]
impl Consumer for Write<'_> {
    async fn consume(&mut self, source: &mut dyn RecordSource) -> Result<(), TaskFailure> {
        let (path, columns) = (self.path.to_owned(), source.columns().clone());
        let mut sink = FileSink::create(path, self.format, self.compression, columns).await?;
        while let Some(batch) = source.next().await? {
            sink.write(batch).await?;
        }
        finish(self.rejects)?;
        self.written = sink.finish().await?;
        Ok(())
    }
}
