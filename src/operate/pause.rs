//! A DAG's schedule, held or let go.

use std::path::Path;

use super::mistake::Trouble;
use crate::daemon::ring;
use crate::daemon::schedule::DaemonLock;
use crate::model::DagId;
use crate::store::RunStore;

/// Pauses a DAG or lets it go on. `false`: it is so already.
///
/// # Errors
/// When the store can't be written, or the daemon's bell can't be rung.
pub async fn set(
    state: &Path,
    store: &dyn RunStore,
    dag: &DagId,
    paused: bool,
) -> Result<bool, Trouble> {
    let rows = store.schedules().await?;
    if rows.iter().any(|row| row.dag == *dag && row.paused) == paused {
        return Ok(false);
    }
    store.set_paused(dag, paused).await?;
    if let Some(daemon) = DaemonLock::holder(state) {
        ring(state, &daemon)?;
    }
    Ok(true)
}
