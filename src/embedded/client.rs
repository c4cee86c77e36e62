//! The client's side of any private server: a share of it, and what its supervisor tells.

use std::ops::Deref;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::kind::Kind;
use super::lease::Request;
use super::{EmbeddedError, Lease, Lifetime};

/// A running private server, which stays up at least as long as this value lives; it is used as the
/// facts that its supervisor tells about it.
#[derive(Debug)]
pub struct Client<F> {
    lease: Lease,
    facts: F,
}

impl<F: DeserializeOwned> Client<F> {
    /// The server of a project, started if it does not run yet. `runner_dir` is the project's
    /// `.runner`.
    pub(super) async fn acquire(
        kind: &'static Kind,
        runner_dir: &Path,
        supervisor: &Path,
        lifetime: Lifetime,
    ) -> Result<Self, EmbeddedError> {
        let request = Request {
            kind,
            dir: runner_dir.join(kind.name),
            supervisor: supervisor.to_path_buf(),
            lifetime,
        };
        let (lease, facts) = request.acquire().await?;
        let facts = serde_json::from_value(facts).map_err(|error| EmbeddedError::Refused {
            text: format!(
                "the running supervisor is of another version of runner ({error}): let the other runs end first"
            ),
        })?;
        Ok(Self { lease, facts })
    }
}

impl<F> Client<F> {
    /// What keeps the server up.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Whether its supervisor is still there: without it there is no server.
    pub fn is_up(&self) -> bool {
        self.lease.is_held()
    }
}

impl<F> Deref for Client<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.facts
    }
}
