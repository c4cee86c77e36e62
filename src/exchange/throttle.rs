//! How many requests an API answers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Counts the requests of a window of time, which begins with its first.
#[derive(Debug)]
pub(super) struct Throttle {
    most: u32,
    window: Duration,
    counted: Mutex<Option<(Instant, u32)>>,
}

impl Throttle {
    /// `most` requests in a window of so many seconds.
    pub(super) fn new((most, seconds): (u32, u64)) -> Self {
        Self {
            most,
            window: Duration::from_secs(seconds),
            counted: Mutex::default(),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// It is one too many: so many whole seconds are left until the next is answered.
    pub(super) fn admit(&self) -> Result<(), u64> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match &mut *counted {
            Some((began, count)) if now - *began < self.window => {
                if *count >= self.most {
                    let left = self.window.saturating_sub(now - *began);
                    return Err(left.as_millis().div_ceil(1000).try_into().unwrap_or(1));
                }
                *count += 1;
            }
            _ => *counted = Some((now, 1)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Throttle;

    #[tokio::test(start_paused = true)]
    async fn one_too_many_hears_how_long_to_wait() {
        let throttle = Throttle::new((2, 60));
        assert_eq!((throttle.admit(), throttle.admit()), (Ok(()), Ok(())));
        assert_eq!(throttle.admit(), Err(60));
        tokio::time::advance(Duration::from_millis(59_500)).await;
        assert_eq!(throttle.admit(), Err(1));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(throttle.admit(), Ok(()));
    }
}
