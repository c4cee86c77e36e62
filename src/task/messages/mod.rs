//! Reading topics: what the kinds that do it share.

mod batch;
mod begin;
mod failure;
mod feed;
mod gather;
mod hand;
mod letters;
mod outbox;
mod reader;

pub(in crate::task) use batch::Messages;
pub(in crate::task) use begin::begins;
pub(in crate::task) use feed::{Bound, Feed, FeedSettings, Until};
pub(in crate::task) use gather::{Origin, Piece};
pub(in crate::task) use hand::{Answer, Begin};
pub(in crate::task) use letters::{DeadLetters, Letter};
pub(in crate::task) use outbox::{Opened, Outbox, Outgoing, Transaction};
pub(in crate::task) use reader::{Event, Reader};
