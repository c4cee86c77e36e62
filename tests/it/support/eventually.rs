//! Waiting for what another process or thread does, without taking its core from it.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Longer than anything takes that works, on a machine that does much else.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

const PAUSE: Duration = Duration::from_millis(5);

/// A loop that waits for something, where [`eventually`] can't be borrowed for: its future isn't
/// known to be `Send`.
pub(crate) struct Waiting(Instant);

impl Waiting {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    /// A moment to wait before the next look; the error of this one says what is awaited.
    pub(crate) fn pause(&self, instead: impl Display) -> tokio::time::Sleep {
        assert!(self.0.elapsed() < DEADLINE, "{instead}");
        tokio::time::sleep(PAUSE)
    }
}

/// Looks again and again until it is so; an error says what is awaited, or what is there instead.
pub(crate) async fn eventually<T, E: Display>(mut look: impl AsyncFnMut() -> Result<T, E>) -> T {
    let waiting = Waiting::begin();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(instead) => waiting.pause(instead).await,
        }
    }
}

/// The same where nothing else runs on this thread.
pub(crate) fn eventually_blocking<T, E: Display>(mut look: impl FnMut() -> Result<T, E>) -> T {
    let began = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) => assert!(began.elapsed() < DEADLINE, "{instead}"),
        }
        std::thread::sleep(PAUSE);
    }
}

/// What a look gives: it is so, or this is awaited.
pub(crate) fn so<E: Display>(is_so: bool, awaited: impl FnOnce() -> E) -> Result<(), E> {
    if is_so { Ok(()) } else { Err(awaited()) }
}
