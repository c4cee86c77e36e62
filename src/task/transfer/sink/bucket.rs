//! Files of a bucket as a sink.

use schemars::Schema;

use super::{Sink, SinkKind};
use crate::document::{FromNode as _, Node, Spanned, read_map, refuse_unknown_keys};
use crate::task::Surroundings;
use crate::task::transfer::end::{BUCKETS, Selection};
use crate::task::transfer::target::{Target, Writing};

pub(super) const KIND: SinkKind = SinkKind {
    name: "bucket",
    doc: "Files in a folder or in a cloud's object store, written as those of the project are. \
Several writers of one file lose nothing of each other.",
    selection: Selection {
        connections: BUCKETS,
        keys: &[],
        alone: &[],
    },
    schema,
    parse,
};

const WHAT: &str = "a `to` on a bucket";

crate::record! {
    /// A bucket.
    struct ToBucket as "a `to` on a bucket" {
        /// The bucket; paths are relative to it.
        connection: Spanned<String>,
    }
}

fn schema() -> Schema {
    Writing::beside(ToBucket::schema())
}

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Sink>> {
    let entries = read_map(node, surroundings.report)?;
    let known = [ToBucket::KEYS, Writing::KEYS].concat();
    let entries = refuse_unknown_keys(entries, &known, WHAT, surroundings.report);
    let to = ToBucket::from_entries(&entries, node.span, surroundings.report)?;
    let writing = Writing::from_entries(&entries, node.span, surroundings.report)?;
    let connection = surroundings.connection(&to.connection, BUCKETS)?;
    Some(Box::new(Target::read(
        &writing,
        Some(connection),
        surroundings,
    )?))
}
