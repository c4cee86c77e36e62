//! Requests to an API, page by page and tick by tick: what the task `http` and the ends of `copy`
//! share.

mod answer;
mod body;
mod call;
mod definition;
mod fetch;
mod links;
mod pages;
mod send;
mod ticks;
mod totals;

pub(super) use body::Batching;
pub(super) use call::{Call, RawCall, around};
pub(super) use definition::{HttpFetch, Request};
pub(super) use fetch::Opened;
pub(super) use send::Batches;
