//! A server that is asked instead of the files here: `runner --server URL`. The API, as a client.

mod client;
mod refusal;
mod rows;
mod run;

pub use client::{Answer, Pieces, Server, VERSION_HEADER};
pub use refusal::Refusal;
pub use rows::{Asked, Rows};
