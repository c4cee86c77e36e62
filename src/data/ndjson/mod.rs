//! Newline-delimited JSON: a record a line, an object each.

mod cell;
mod reader;
mod writer;

pub use cell::{Cell, is_number};
pub(super) use reader::{NdjsonParser, Wanted};
pub(super) use writer::NdjsonEncoder;
