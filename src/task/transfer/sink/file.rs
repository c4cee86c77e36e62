//! Files of the project as a sink.

use super::{Sink, SinkKind};
use crate::document::{FromNode, Node};
use crate::task::Surroundings;
use crate::task::transfer::end::Selection;
use crate::task::transfer::target::{Target, Writing};

pub(super) const KIND: SinkKind = SinkKind {
    name: "file",
    doc: "A file of the project, or one for each value of the expressions over the record in its \
path. A file appears when it is complete: readers see the earlier one or the new one. By default \
each written file is replaced by these records; `mode` says otherwise.",
    selection: Selection {
        connections: &[],
        keys: &[],
        alone: &["file"],
    },
    schema: <Writing as FromNode>::schema,
    parse,
};

fn parse(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Box<dyn Sink>> {
    let to = Writing::from_node(node, surroundings.report)?;
    Some(Box::new(Target::read(&to, None, surroundings)?))
}
