//! Comma-separated values, as RFC 4180 and PostgreSQL's `COPY … (FORMAT csv)` mean them.

mod writer;

pub use writer::{encode_batch, encode_header};
