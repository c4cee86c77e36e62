//! Holding on to the project's own server.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::connection::Places;
use crate::embedded::EmbeddedError;
use crate::embedded::kafka::{KafkaServer, acquire};

/// Between two tries to get a server back.
const PAUSE: Duration = Duration::from_millis(500);

/// A share in the project's own server, as long as it lives. A server that is lost together with its
/// supervisor is started again, on the same port if that is still free, so that clients that are at work
/// find it again.
#[derive(Debug)]
pub(super) struct Keeper {
    places: Arc<Places>,
    server: Mutex<KafkaServer>,
}

impl Keeper {
    /// Starts the server if it doesn't run.
    pub(super) async fn start(places: &Arc<Places>) -> Result<Arc<Self>, EmbeddedError> {
        let server = acquire(&places.state, &places.executable).await?;
        let end = server.lease().end();
        let keeper = Arc::new(Self {
            places: Arc::clone(places),
            server: Mutex::new(server),
        });
        // Without it the next command would start the server again, and that is nearly as good.
        if let Ok(end) = end {
            let weak = Arc::downgrade(&keeper);
            std::thread::spawn(move || keep(&weak, end));
        }
        Ok(keeper)
    }

    /// Where it listens.
    pub(super) fn brokers(&self) -> String {
        self.lock().brokers().to_owned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, KafkaServer> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gets the server back whenever it is lost, until nobody holds on to it any more.
fn keep(keeper: &Weak<Keeper>, mut end: crate::embedded::LeaseEnd) {
    loop {
        end.wait();
        let Some(places) = keeper.upgrade().map(|keeper| Arc::clone(&keeper.places)) else {
            return;
        };
        let Some(server) = acquire_again(keeper, &places) else {
            return;
        };
        let Some(keeper) = keeper.upgrade() else {
            return;
        };
        let Ok(next) = server.lease().end() else {
            return;
        };
        let was = std::mem::replace(&mut *keeper.lock(), server);
        if was.brokers() != keeper.brokers() {
            tracing::warn!(
                "Kafka's port was taken: it listens at {} now, and clients of before don't find it",
                keeper.brokers()
            );
        }
        end = next;
    }
}

fn acquire_again(keeper: &Weak<Keeper>, places: &Places) -> Option<KafkaServer> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    while keeper.strong_count() > 0 {
        match runtime.block_on(acquire(&places.state, &places.executable)) {
            Ok(server) => return Some(server),
            Err(error) => tracing::warn!("Kafka was lost and doesn't come back: {error}"),
        }
        // What it lacks, a port or room on the disk, comes back without a word.
        std::thread::sleep(PAUSE);
    }
    None
}
