//! The client's side of a private broker.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::embedded::client::Client;
use crate::embedded::{EmbeddedError, Lifetime};

use super::KIND;

static TABLE_ROW: crate::embedded::kind::Kind = KIND;

/// A running private broker. It stays up at least as long as this value lives.
pub type KafkaServer = Client<Facts>;

/// What the supervisor tells about the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// `127.0.0.1:port`
    pub(super) brokers: String,
}

/// The private broker of a project, started if it does not run yet.
///
/// `runner_dir` is the project's `.runner`; `supervisor` is the program that calls
/// [`supervisor_main`](crate::embedded::supervisor_main) when it is told to, normally
/// [`own_program`](crate::embedded::own_program).
///
/// # Errors
/// When this machine has no Kafka or no Java, or it does not start; the text says what to do.
pub async fn acquire(runner_dir: &Path, supervisor: &Path) -> Result<KafkaServer, EmbeddedError> {
    acquire_with(runner_dir, supervisor, Lifetime::Project).await
}

/// The same with a chosen lifetime of the data.
///
/// # Errors
/// As [`acquire`].
pub async fn acquire_with(
    runner_dir: &Path,
    supervisor: &Path,
    lifetime: Lifetime,
) -> Result<KafkaServer, EmbeddedError> {
    Client::acquire(&TABLE_ROW, runner_dir, supervisor, lifetime).await
}

impl Facts {
    /// Where it listens, `127.0.0.1:port`: the bootstrap servers of any client. There is no login.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }
}
