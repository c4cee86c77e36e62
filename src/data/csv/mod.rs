//! Comma-separated values, as RFC 4180 and PostgreSQL's `COPY … (FORMAT csv)` mean them.

mod dialect;
mod header;
mod lines;
mod parser;
mod raw;
mod records;
#[cfg(test)]
mod tests;
mod writer;

pub use dialect::CsvDialect;
pub(super) use header::{fields as fields_text, list, read as read_header};
pub use lines::each_row;
pub(super) use parser::CsvParser;
pub use raw::{RawCsv, RawLines};
pub(super) use records::{Records, Trouble};
pub use writer::{encode_batch, encode_header, encode_row};
