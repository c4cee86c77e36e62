//! How files to write are written down, and what they are.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::Schema;
use serde_json::Value as Json;

use super::path::PathTemplate;
use super::{single, spread};
use crate::connection::{Bucket, Folder};
use crate::data::{Compression, FileMode, Format};
use crate::document::{Diagnostic, FromNode as _, OneOrMany, Spanned};
use crate::model::ConnectionId;
use crate::task::transfer::flow::Flow;
use crate::task::transfer::sink::Sink;
use crate::task::{AttemptContext, Surroundings, TaskFailure, TaskResult};

crate::record! {
    /// Files to write.
    pub(in crate::task::transfer) struct Writing as "a file" {
        /// The file. Expressions over the record (`day={{ at | date('%Y-%m-%d') }}/{{ book }}.csv`) part the records into files; what is no name of a file in a value is escaped, and a value that is missing is `__HIVE_DEFAULT_PARTITION__`.
        file: Spanned<String>,
        /// `csv` or `ndjson`, where the extension doesn't say it.
        format: Option<Format>,
        /// `gzip`, `zstd` or `none`, where the extension doesn't say it.
        compression: Option<Compression>,
        /// How the records meet a file that is there.
        mode: Option<Spanned<FileMode>>,
        /// For `upsert`: the columns whose values tell records apart.
        key: Option<Spanned<OneOrMany<String>>>,
        /// For `upsert`: what has come in is stored so often, and not only at the end.
        every: Option<Spanned<Duration>>,
    }
}

impl Writing {
    /// The schema of a sink that has these keys beside its own.
    pub(in crate::task::transfer) fn beside(mut own: Schema) -> Schema {
        let mut writing = Self::schema();
        for word in ["properties", "required"] {
            let keys = writing.ensure_object().get(word).cloned();
            match (own.ensure_object().get_mut(word), keys) {
                (Some(Json::Object(own)), Some(Json::Object(keys))) => own.extend(keys),
                (Some(Json::Array(own)), Some(Json::Array(keys))) => own.extend(keys),
                _ => {}
            }
        }
        own
    }
}

/// Files that are written.
#[derive(Debug)]
pub(in crate::task::transfer) struct Target(pub(super) Arc<Files>);

#[derive(Debug)]
pub(super) struct Files {
    /// Those of the project when left out.
    pub(super) connection: Option<ConnectionId>,
    pub(super) path: PathTemplate,
    pub(super) format: Option<Format>,
    pub(super) compression: Option<Compression>,
    pub(super) mode: FileMode,
    pub(super) key: Vec<String>,
    pub(super) every: Option<Duration>,
    /// The columns of the records that path and key read.
    reads: Vec<Spanned<String>>,
}

impl Target {
    /// Checks what was written.
    pub(in crate::task::transfer) fn read(
        to: &Writing,
        connection: Option<ConnectionId>,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Self> {
        let path = PathTemplate::read(&to.file, connection.is_some(), surroundings);
        let format = to.format.or_else(|| Format::of(Path::new(&to.file.value)));
        let mut right = true;
        let mut refuse = |diagnostic: Diagnostic| {
            surroundings.report.push(diagnostic);
            right = false;
        };
        if format.is_none() && path.as_ref().is_some_and(PathTemplate::has_a_name) {
            refuse(
                Diagnostic::error(
                    "unknown-format",
                    format!("the extension of `{}` doesn't say its format", to.file.value),
                    to.file.span,
                )
                .help("use `.csv`, `.ndjson` or `.jsonl`, packed as `.gz` or `.zst` or not; or add `format: csv`"),
            );
        }
        let mode = to
            .mode
            .as_ref()
            .map_or(FileMode::Replace, |mode| mode.value);
        let given = match &to.mode {
            Some(mode) => format!("with `mode: {}`", mode.value.word()),
            None => "without `mode: upsert`".to_owned(),
        };
        if mode == FileMode::Upsert {
            if to.key.as_ref().is_none_or(|key| key.value.0.is_empty()) {
                let span = to.mode.as_ref().map_or(to.span, |mode| mode.span);
                refuse(
                    Diagnostic::error("missing-key", "`mode: upsert` needs `key`", span)
                        .label("add `key:`, the columns that tell records apart"),
                );
            }
        } else if let Some(key) = &to.key {
            refuse(Diagnostic::error(
                "conflicting-keys",
                format!("`key` has no meaning {given}"),
                key.span,
            ));
        }
        if let Some(every) = &to.every {
            if mode != FileMode::Upsert {
                refuse(
                    Diagnostic::error(
                        "conflicting-keys",
                        format!("`every` has no meaning {given}"),
                        every.span,
                    )
                    .help("records that are stored on the way are written again by another attempt: only an upsert stores them once"),
                );
            } else if every.value < Duration::from_millis(100) {
                refuse(Diagnostic::error(
                    "invalid-value",
                    "`every` is at least 100ms",
                    every.span,
                ));
            }
        }
        let path = path.filter(|_| right)?;
        let mut reads = path.reads.clone();
        let mut key = Vec::new();
        if let Some(given) = &to.key {
            key.clone_from(&given.value.0);
            let named = |name: &String| Spanned::new(name.clone(), given.span);
            reads.extend(key.iter().map(named));
        }
        Some(Self(Arc::new(Files {
            connection,
            path,
            format,
            compression: to.compression,
            mode,
            key,
            every: to.every.as_ref().map(|every| every.value),
            reads,
        })))
    }
}

impl Files {
    /// Where the files are.
    pub(super) fn store(&self, attempt: &AttemptContext) -> Result<Arc<dyn Bucket>, TaskFailure> {
        let Some(connection) = &self.connection else {
            return Ok(Arc::new(Folder::of_project(&attempt.places.root)));
        };
        let found = attempt.connections.bucket(connection.as_str());
        found.ok_or_else(|| {
            TaskFailure::permanent(format!("connection `{connection}` is no bucket"))
        })
    }

    /// What a path says of its files, where the pipeline doesn't.
    pub(super) fn format(&self, path: &str) -> Result<(Format, Compression), TaskFailure> {
        let format = self.format.or_else(|| Format::of(Path::new(path))).ok_or_else(|| {
            TaskFailure::permanent(format!(
                "the extension of `{path}` doesn't say its format: add `format: csv` or `format: ndjson`"
            ))
        })?;
        let compression = self
            .compression
            .unwrap_or_else(|| Compression::of(Path::new(path)));
        Ok((format, compression))
    }
}

#[async_trait]
impl Sink for Target {
    fn connection(&self) -> Option<&str> {
        self.0.connection.as_ref().map(ConnectionId::as_str)
    }

    fn reads(&self) -> &[Spanned<String>] {
        &self.0.reads
    }

    async fn run(&self, flow: &Flow, attempt: &AttemptContext) -> TaskResult {
        if self.0.mode == FileMode::Replace && !self.0.path.is_spread() {
            single::run(&self.0, flow, attempt).await
        } else {
            spread::run(&self.0, flow, attempt).await
        }
    }
}
