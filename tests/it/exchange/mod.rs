//! The exchange as its clients meet it: shapes, limits, paging, faults, and its private server.

mod answers;
mod faults;
mod private;
pub(crate) mod server;
