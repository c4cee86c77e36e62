//! What a look has removed.

use super::folders::Left;

/// How much of something was, or would be, removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    pub count: u64,
    pub bytes: u64,
}

impl Amount {
    pub(super) fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What was, or would be, removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// Runs with all of theirs; bytes of their logs and datasets.
    pub runs: Amount,
    /// Logs of runs that stay.
    pub logs: Amount,
    /// Datasets of runs that stay.
    pub data: Amount,
    /// Logs and datasets that belong to no run.
    pub left_over: Amount,
    /// Records of ticks that were skipped.
    pub skipped: u64,
    /// Loads that databases have forgotten.
    pub loads: u64,
    /// What couldn't be done, for a person.
    pub troubles: Vec<String>,
}

impl Swept {
    pub(super) fn of(&mut self, left: Left) -> &mut Amount {
        match left {
            Left::Logs => &mut self.logs,
            Left::Data => &mut self.data,
        }
    }
}
