//! Waiting for a store that can't be used now.

use std::time::Duration;

use super::{Host, News};
use crate::store::{RunStore, StoreError};

/// Wait between tries.
const PAUSE: Duration = Duration::from_millis(250);

impl Host {
    /// Asks the store, waiting while it can't be used. Every call may have had its effect although
    /// an error came back: each of them can be repeated.
    pub(in crate::daemon) async fn patiently<'a, T, F>(
        &'a self,
        tries: u32,
        call: impl Fn(&'a dyn RunStore) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut failed = 0;
        loop {
            match call(self.store.as_ref()).await {
                Err(StoreError::Unavailable { action, message }) if failed + 1 < tries => {
                    failed += 1;
                    // Once may be bad luck; twice is worth a word.
                    if failed == 2 {
                        let error = StoreError::Unavailable { action, message };
                        tracing::error!(%error, "waiting for the run state");
                        self.tell(News::Store(Some(error.to_string())));
                    }
                    // To wait for the disk isn't to be stuck.
                    self.supervisor.alive();
                    tokio::time::sleep(PAUSE).await;
                }
                answer => {
                    if failed > 1 {
                        self.tell(News::Store(None));
                    }
                    return answer;
                }
            }
        }
    }
}
