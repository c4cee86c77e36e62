//! Files as a source.

use schemars::Schema;

use super::{Source, SourceKind};
use crate::document::{FromNode as _, Node, Spanned, read_map, refuse_unknown_keys};
use crate::task::Surroundings;
use crate::task::transfer::end::Selection;
use crate::task::transfer::files::{Files, Spelling};

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
    let files = Files::read(&file, None, &spelling, surroundings)?;
    Some(Box::new(files))
}
