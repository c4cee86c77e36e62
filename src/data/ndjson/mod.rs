//! Newline-delimited JSON: a record a line, an object each.

mod cell;
mod reader;
mod writer;

pub use cell::{Cell, is_number, join_kinds};
pub use reader::Wanted;
pub(super) use reader::{NdjsonParser, read_object};
pub use writer::NdjsonEncoder;
