//! Files of a bucket as a source.

use schemars::Schema;

use super::{Source, SourceKind};
use crate::document::{FromNode as _, Node, Spanned, read_map, refuse_unknown_keys};
use crate::task::Surroundings;
use crate::task::transfer::end::{BUCKETS, Selection};
use crate::task::transfer::files::{Files, Spelling};

pub(super) const KIND: SourceKind = SourceKind {
    name: "bucket",
    doc: "Files in a folder or in a cloud's object store: CSV or NDJSON, packed or not, read in \
the order of their names as one stream.",
    selection: Selection {
        connections: BUCKETS,
        keys: &[],
        alone: &[],
    },
    schema,
    parse,
};

const WHAT: &str = "a `from` on a bucket";

crate::record! {
    /// Files of a bucket.
    struct FromBucket as "a `from` on a bucket" {
        /// The bucket; paths are relative to it.
        connection: Spanned<String>,
        /// A file or a pattern of files (`raw/*.csv.gz`, `**`).
        file: Spanned<String>,
    }
}

fn schema() -> Schema {
    Spelling::beside(FromBucket::schema())
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Source>> {
    let entries = read_map(node, surroundings.report)?;
    let known = [FromBucket::KEYS, Spelling::KEYS].concat();
    let entries = refuse_unknown_keys(entries, &known, WHAT, surroundings.report);
    let from = FromBucket::from_entries(&entries, node.span, surroundings.report)?;
    let spelling = Spelling::from_entries(&entries, node.span, surroundings.report)?;
    let connection = surroundings.connection(&from.connection, BUCKETS)?;
    let files = Files::read(&from.file, Some(connection), &spelling, surroundings)?;
    Some(Box::new(files))
}
