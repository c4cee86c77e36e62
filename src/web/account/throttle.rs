//! How often somebody may try to sign in.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;

use crate::model::Timestamp;

/// Whoever tries is remembered up to so many; then those who waited longest are forgotten.
const MOST: usize = 10_000;

/// Lets so many tries through at once, and then one each time that has passed.
#[derive(Debug)]
pub struct Throttle {
    burst: i32,
    every: TimeDelta,
    /// When all tries will be there again, by who tries.
    full: Mutex<HashMap<String, Timestamp>>,
}

impl Throttle {
    /// So many at once, and one more each `every`.
    #[must_use]
    pub fn new(burst: i32, every: TimeDelta) -> Self {
        Self {
            burst,
            every,
            full: Mutex::new(HashMap::new()),
        }
    }

    /// Counts a try.
    ///
    /// # Errors
    /// How long to wait, when it was one too many. It isn't counted then.
    pub fn admit(&self, who: &str, now: Timestamp) -> Result<(), TimeDelta> {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        if full.len() >= MOST {
            full.retain(|_, at| *at > now);
        }
        if full.len() >= MOST && !full.contains_key(who) {
            // More at once than is possible by mistake: everybody waits.
            return Err(self.every);
        }
        let at = full.get(who).copied().unwrap_or(now).max(now) + self.every;
        let over = at - (now + self.every * self.burst);
        if over > TimeDelta::zero() {
            return Err(over);
        }
        full.insert(who.to_owned(), at);
        Ok(())
    }

    /// Forgets the tries of somebody who got in.
    pub fn forget(&self, who: &str) {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        full.remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_run_out_and_come_back() {
        let start: Timestamp = "2026-08-20T12:00:00Z".parse().unwrap();
        let at = |seconds| start + TimeDelta::seconds(seconds);
        let throttle = Throttle::new(3, TimeDelta::seconds(10));
        for second in 0..3 {
            assert_eq!(throttle.admit("ana", at(second)), Ok(()));
        }
        assert_eq!(throttle.admit("ana", at(3)), Err(TimeDelta::seconds(7)));
        assert_eq!(throttle.admit("ben", at(3)), Ok(()));
        assert_eq!(throttle.admit("ana", at(10)), Ok(()));
        assert!(throttle.admit("ana", at(11)).is_err());
        throttle.forget("ana");
        assert_eq!(throttle.admit("ana", at(11)), Ok(()));
    }
}
