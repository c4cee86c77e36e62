//! Private servers of a project, and the one life cycle that all of them share.
//!
//! A server belongs to a *supervisor*: this program again, started with [`SUPERVISOR_ARGUMENT`]
//! by the first client that needs the server. Each client keeps a connection to the supervisor
//! open (its [`Lease`]); when the last one is closed, in whatever way, the server ends.
//! `docs/embedded.md` tells the whole story. Nothing here but the table below and its own
//! folder knows what a server serves.

mod client;
mod error;
pub mod exchange;
pub mod kafka;
mod kind;
mod launch;
mod lease;
mod lock;
mod machine;
mod namespace;
mod orphans;
mod place;
pub mod postgres;
mod protocol;
mod server;
mod supervisor;

pub use client::Client;
pub use error::EmbeddedError;
pub use lease::{Lease, LeaseEnd, Lifetime, own_program};
pub use supervisor::{SUPERVISOR_ARGUMENT, supervisor_main};

use kind::Kind;

/// Every kind of server that can be embedded.
const KINDS: &[Kind] = &[exchange::KIND, kafka::KIND, postgres::KIND];
