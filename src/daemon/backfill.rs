//! Runs of the past, so many at a time, carried out by this process.

use std::collections::VecDeque;

use super::host::{Host, NewRun};
use crate::store::StoreError;

/// Runs that are to begin, and the host that carries them out.
pub struct Backfill {
    pub host: Host,
    pub runs: VecDeque<NewRun>,
    /// Most runs at a time.
    pub parallel: usize,
}

impl Backfill {
    /// Works until all have ended. When all are cancelled, those that have not begun don't.
    ///
    /// # Errors
    /// As of [`Host::run_until_idle`].
    pub async fn run(&mut self) -> Result<(), StoreError> {
        loop {
            if self.host.take_told().cancelled {
                self.runs.clear();
            }
            while self.host.unfinished() < self.parallel
                && let Some(run) = self.runs.pop_front()
            {
                self.host.accept(run).await?;
                // It counts from the next turn on.
                self.host.step(None).await?;
            }
            if self.runs.is_empty() {
                return self.host.run_until_idle().await;
            }
            self.host.step(None).await?;
        }
    }
}
