//! A document as a tree of nodes that know where they stand, whatever its notation.
//!
//! `spec` reads YAML into this tree; every table row parses its own node out of it with
//! [`FromNode`], collects all the mistakes it finds as [`Diagnostic`]s, and describes itself as
//! JSON Schema from the same definition ([`record!`](crate::record)).

mod diagnostic;
mod measure;
pub mod nesting;
mod node;
mod read;
mod record;
mod span;
pub mod units;

pub use diagnostic::{Diagnostic, Label, Severity, nearest};
pub use measure::{ByteSize, read_unit};
pub use node::{Entry, Node, Value};
pub use read::{
    FromNode, Map, OneOrMany, Report, correct_key, read_field, read_map, refuse_unknown_keys,
};
pub use record::{Field, doc_text, key_name, read_choice, record_schema};
pub use span::{Position, Source, SourceId, Sources, Span, Spanned};
