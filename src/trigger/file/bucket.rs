//! Files in a bucket: nobody tells of them, so they are listed now and then.

use std::time::Duration;

use async_trait::async_trait;

use super::settle::Settling;
use super::view;
use crate::connection::StoredFile;
use crate::trigger::{Around, Scope, Sight, Watch, WatchError};

/// Looks at files of a pattern.
pub(super) struct BucketWatch {
    around: Around,
    connection: String,
    pattern: String,
    scope: Scope,
    settling: Settling,
    every: Duration,
    /// How long until the next look; `None` before the first.
    pause: Option<Duration>,
    /// The files that were told, and whether there were others.
    told: Option<(Vec<StoredFile>, bool)>,
}

impl BucketWatch {
    pub(super) fn new(
        around: Around,
        connection: &str,
        (pattern, scope): (String, Scope),
        settling: Settling,
        every: Duration,
    ) -> Self {
        Self {
            around,
            connection: connection.to_owned(),
            pattern,
            scope,
            settling,
            every,
            pause: None,
            told: None,
        }
    }

    async fn files(&self) -> Result<Vec<StoredFile>, WatchError> {
        let Some(bucket) = self.around.connections.bucket(&self.connection) else {
            let name = &self.connection;
            return Err(WatchError(format!("connection `{name}` is no bucket")));
        };
        let pattern = self.pattern.clone();
        let listed = tokio::task::spawn_blocking(move || bucket.list(&pattern)).await;
        match listed {
            Ok(Ok(files)) => Ok(files),
            Ok(Err(error)) => Err(WatchError(error.to_string())),
            Err(error) => Err(WatchError(error.to_string())),
        }
    }
}

#[async_trait]
impl Watch for BucketWatch {
    async fn look(&mut self) -> Result<Sight, WatchError> {
        loop {
            if let Some(pause) = self.pause.take() {
                tokio::time::sleep(pause).await;
            }
            let files = self.files().await.inspect_err(|_| self.told = None)?;
            let now = (self.around.clock)();
            let look = self.settling.look(now, files);
            let settles = look
                .next
                .map(|next| (next - now).to_std().unwrap_or_default());
            self.pause = Some(settles.map_or(self.every, |settles| settles.min(self.every)));
            let told = (look.settled.clone(), look.unsettled.is_empty());
            if self.told.as_ref() != Some(&told) {
                self.told = Some(told);
                return Ok(Sight::View(view(look, &self.scope)));
            }
        }
    }
}
