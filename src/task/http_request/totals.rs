//! What was asked and answered, counted for people and for templates.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value as Json};

/// What was asked and answered so far.
#[derive(Debug, Default)]
pub struct Totals {
    /// Bytes of all bodies, unpacked.
    pub bytes: Arc<AtomicU64>,
    counts: Mutex<Counts>,
}

/// Numbers of requests and records, and what is kept of the last answer.
#[derive(Debug, Default)]
pub struct Counts {
    pub requests: u64,
    pub records: u64,
    /// Of the last answer.
    pub status: Option<u16>,
    pub headers: Map<String, Json>,
    pub body: Option<Json>,
    pub ticks: Option<TickCounts>,
}

/// What became of the ticks.
#[derive(Debug, Clone, Default)]
pub struct TickCounts {
    pub kept: u64,
    pub late: u64,
    pub missed: u64,
    pub skipped: u64,
    /// Why the last of those that were skipped was.
    pub last_failure: Option<String>,
}

impl Totals {
    /// Counts something.
    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What the task leaves for templates.
    pub fn outputs(&self) -> Map<String, Json> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outputs = Map::new();
        let mut put = |name: &str, value: Json| {
            outputs.insert(name.to_owned(), value);
        };
        put("status", counts.status.into());
        put("rows", counts.records.into());
        put("bytes", self.bytes.load(Ordering::Relaxed).into());
        put("requests", counts.requests.into());
        if !counts.headers.is_empty() {
            put("headers", counts.headers.clone().into());
        }
        if let Some(body) = &counts.body {
            put("body", body.clone());
        }
        if let Some(ticks) = &counts.ticks {
            put("ticks", ticks.kept.into());
            put("late_ticks", ticks.late.into());
            put("missed_ticks", ticks.missed.into());
            put("skipped", ticks.skipped.into());
        }
        outputs
    }
}
