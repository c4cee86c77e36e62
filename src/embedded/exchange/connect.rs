//! The client's side of a private exchange: its address.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::embedded::client::Client;
use crate::embedded::{EmbeddedError, Lifetime};

use super::KIND;

static TABLE_ROW: crate::embedded::kind::Kind = KIND;

/// The APIs that it serves, by the first part of their paths.
pub const APIS: &[&str] = &["bitso", "coinbase", "coingecko", "kraken"];

/// A running private exchange. It stays up at least as long as this value lives.
pub type ExchangeServer = Client<Facts>;

/// What the supervisor tells about the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub(super) url: String,
}

/// The private exchange of a project, started if it does not run yet.
///
/// `runner_dir` is the project's `.runner`; `supervisor` is the program that calls
/// [`supervisor_main`](crate::embedded::supervisor_main) when it is told to.
///
/// # Errors
/// It does not start; the text says what to do.
pub async fn acquire(
    runner_dir: &Path,
    supervisor: &Path,
) -> Result<ExchangeServer, EmbeddedError> {
    acquire_with(runner_dir, supervisor, Lifetime::Project).await
}

/// The same with a chosen lifetime of its folder.
///
/// # Errors
/// As [`acquire`].
pub async fn acquire_with(
    runner_dir: &Path,
    supervisor: &Path,
    lifetime: Lifetime,
) -> Result<ExchangeServer, EmbeddedError> {
    Client::acquire(&TABLE_ROW, runner_dir, supervisor, lifetime).await
}

impl Facts {
    /// What the paths of an API are below: `http://127.0.0.1:40001/coingecko`.
    pub fn base_url(&self, api: &str) -> String {
        format!("{}/{api}", self.url)
    }
}
