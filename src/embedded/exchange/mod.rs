//! A private exchange: `http: exchange/<api>` in a project.

mod connect;
mod process;

pub use connect::{APIS, ExchangeServer, acquire, acquire_with};

pub(super) use process::KIND;
