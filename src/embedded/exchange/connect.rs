//! The client's side of a private exchange: its address.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::embedded::lease::Request;
use crate::embedded::{EmbeddedError, Lease, Lifetime};

use super::KIND;

static TABLE_ROW: crate::embedded::kind::Kind = KIND;

/// The APIs that it serves, by the first part of their paths.
pub const APIS: &[&str] = &["bitso", "coinbase", "coingecko", "kraken"];

/// A running private exchange. It stays up at least as long as this value lives.
#[derive(Debug)]
pub struct ExchangeServer {
    lease: Lease,
    facts: Facts,
}

/// What the supervisor tells about the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
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
    let request = Request {
        kind: &TABLE_ROW,
        dir: runner_dir.join(TABLE_ROW.name),
        supervisor: supervisor.to_path_buf(),
        lifetime,
    };
    let (lease, facts) = request.acquire().await?;
    let facts = serde_json::from_value(facts).map_err(|error| EmbeddedError::Refused {
        text: format!(
            "the running supervisor is of another version of runner ({error}): let the other runs end first"
        ),
    })?;
    Ok(ExchangeServer { lease, facts })
}

impl ExchangeServer {
    /// What keeps the server up.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Whether its supervisor is still there: without it there is no server.
    pub fn is_up(&self) -> bool {
        self.lease.is_held()
    }

    /// What the paths of an API are below: `http://127.0.0.1:40001/coingecko`.
    pub fn base_url(&self, api: &str) -> String {
        format!("{}/{api}", self.facts.url)
    }
}
