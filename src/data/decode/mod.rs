//! Bytes that come from elsewhere as records: the body of an answer, a message.

mod body;
mod document;
mod hexadecimal;
mod message;
mod notation;
mod row;
mod source;
#[cfg(test)]
mod tests;
mod valid;

pub use document::{Document, DocumentEnd};
pub use message::{MessageDecoder, MessageFormat, Segment};
pub use notation::{Decoding, Notation};
pub use source::{Decoded, Feed};
