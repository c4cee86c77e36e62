//! Reading topics: what the kinds that do it share.

mod gather;
mod hand;
mod letters;
mod reader;

pub(in crate::task) use gather::{Bad, Gathering, Origin, Piece};
pub(in crate::task) use hand::Begin;
pub(in crate::task) use letters::DeadLetters;
pub(in crate::task) use reader::{Event, Reader, Reading};
