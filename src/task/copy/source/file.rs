//! Files as a source.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use schemars::Schema;

use super::{Source, SourceKind};
use crate::data::{FileSource, Format, Reading, Rejects};
use crate::document::{FromNode as _, Node, Spanned, read_map, refuse_unknown_keys};
use crate::task::copy::columns::Mapping;
use crate::task::copy::end::Selection;
use crate::task::copy::files::{Files, Found, Spelling};
use crate::task::copy::flow::{Consumer, Measured};
use crate::task::{AttemptContext, Surroundings, TaskFailure};

pub(super) const KIND: SourceKind = SourceKind {
    name: "file",
    doc: "Files of the project: CSV or NDJSON, packed or not, read in the order of their names as \
one stream.",
    selection: Selection {
        connections: &[],
        keys: &[],
        alone: &["file"],
    },
    schema,
    parse,
};

const WHAT: &str = "a `from` with a file";

crate::record! {
    /// A file.
    struct FromFile as "a `from` with a file" {
        /// A file or a pattern of files (`in/*.csv.gz`).
        file: Spanned<String>,
    }
}

fn schema() -> Schema {
    Spelling::beside(FromFile::schema())
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Source>> {
    let entries = read_map(node, surroundings.report)?;
    let known = [FromFile::KEYS, Spelling::KEYS].concat();
    let entries = refuse_unknown_keys(entries, &known, WHAT, surroundings.report);
    let FromFile { file, .. } = FromFile::from_entries(&entries, node.span, surroundings.report)?;
    let spelling = Spelling::from_entries(&entries, node.span, surroundings.report)?;
    let files = Files::read(&file, &spelling, surroundings)?;
    Some(Box::new(files))
}

#[async_trait]
impl Source for Files {
    async fn read_into(
        &self,
        attempt: &AttemptContext,
        mapping: &Mapping,
        rejects: Option<&Rejects>,
        consumer: &mut dyn Consumer,
    ) -> Result<u64, TaskFailure> {
        let Found {
            files: found,
            format,
            bytes_read,
            ..
        } = self.find(attempt)?;
        let reading = match format {
            Format::Csv => Reading::Csv(self.dialect.clone()),
            Format::Ndjson => Reading::Ndjson(mapping.wanted()),
        };
        let source = FileSource::open(found, reading, rejects.cloned()).await?;
        let mut source = Measured::new(source, attempt, Some(bytes_read.clone()));
        consumer.consume(&mut source).await?;
        Ok(bytes_read.load(Ordering::Relaxed))
    }

    fn as_files(&self) -> Option<&Files> {
        Some(self)
    }
}
