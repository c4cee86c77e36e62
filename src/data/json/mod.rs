//! JSON documents as streams of records: an array somewhere in a document is read without holding
//! the document in memory.

mod outline;
mod path;
mod scan;
#[cfg(test)]
mod tests;
mod trouble;
mod walk;

pub(in crate::data) use outline::Outline;
pub use path::{RecordsPath, Step};
pub(in crate::data) use scan::{Chunks, checked, unquoted};
pub(in crate::data) use trouble::Trouble;
pub(in crate::data) use walk::Walk;
