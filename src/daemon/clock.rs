//! The only clock, and the only chance, of the program.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use crate::model::Timestamp;
use crate::task::Clock;

/// The time now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one clock")]
pub fn now() -> Timestamp {
    chrono::Utc::now()
}

/// The clock that others are given.
#[must_use]
pub fn clock() -> Clock {
    Arc::new(now)
}

/// A number drawn by chance, for ids and for seeds; not for secrets.
#[must_use]
pub fn random() -> u64 {
    // Every state has keys of its own, drawn by the operating system.
    RandomState::new().hash_one(std::process::id())
}
