//! The records within messages.

mod decoder;
mod staged;
#[cfg(test)]
mod tests;

pub use decoder::{MessageDecoder, MessageFormat};
pub use staged::Segment;
