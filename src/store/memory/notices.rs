//! What is to be told, in memory.

use std::collections::BTreeMap;

use crate::model::{DagId, Occasion, Timestamp};
use crate::store::{Admission, Failing, Notice, NoticeLimit, Owner, precision};

/// Notices, and what is known of DAGs for them.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// Oldest first, with what was held back before those that are counted.
    due: Vec<(Notice, Option<u64>)>,
    failing: BTreeMap<DagId, Failing>,
    windows: BTreeMap<DagId, Window>,
}

/// Messages about a DAG.
#[derive(Debug, Default)]
struct Window {
    since: Option<Timestamp>,
    told: u32,
    held: u64,
}

fn name(notice: &Notice) -> (&crate::model::RunId, Occasion, Timestamp) {
    (&notice.run, notice.occasion, precision::time(notice.at))
}

impl Notices {
    fn find(&mut self, notice: &Notice) -> Option<&mut (Notice, Option<u64>)> {
        let wanted = name(notice);
        self.due.iter_mut().find(|(due, _)| name(due) == wanted)
    }

    pub(super) fn add(&mut self, notice: &Notice) {
        if self.find(notice).is_some() {
            return;
        }
        let at = precision::time(notice.at);
        let failing = self.failing.get_mut(&notice.dag);
        match (notice.occasion, failing) {
            (Occasion::Failure, Some(failing)) => {
                failing.failures += 1;
                failing.run = failing.run.clone().max(notice.run.clone());
            }
            (Occasion::Failure, None) => {
                let failing = Failing {
                    run: notice.run.clone(),
                    since: at,
                    failures: 1,
                };
                self.failing.insert(notice.dag.clone(), failing);
            }
            (Occasion::Recovery, Some(failing)) if failing.run <= notice.run => {
                self.failing.remove(&notice.dag);
            }
            (Occasion::Recovery, _) => return,
            (Occasion::Deadline, _) => {}
        }
        let notice = Notice {
            at,
            ..notice.clone()
        };
        self.due.push((notice, None));
        self.due.sort_by(|(a, _), (b, _)| {
            (a.at, &a.run, a.occasion.as_str()).cmp(&(b.at, &b.run, b.occasion.as_str()))
        });
    }

    pub(super) fn all(&self) -> Vec<Notice> {
        self.due.iter().map(|(notice, _)| notice.clone()).collect()
    }

    pub(super) fn take(&mut self, notice: &Notice, to: &Owner) -> bool {
        let Some((due, _)) = self.find(notice) else {
            return false;
        };
        if due.owner == notice.owner {
            due.owner = to.clone();
        }
        due.owner == *to
    }

    pub(super) fn admit(&mut self, notice: &Notice, limit: NoticeLimit) -> Admission {
        match self.find(notice) {
            None => return Admission::Gone,
            Some((_, Some(held))) => return Admission::Tell { held: *held },
            Some((_, None)) => {}
        }
        let window = self.windows.entry(notice.dag.clone()).or_default();
        if window.since.is_none_or(|since| since <= limit.begun_by) {
            window.since = Some(precision::time(limit.now));
            window.told = 0;
        }
        if window.told >= limit.most {
            window.held += 1;
            self.settle(notice);
            return Admission::Held;
        }
        window.told += 1;
        let held = std::mem::take(&mut window.held);
        if let Some((_, counted)) = self.find(notice) {
            *counted = Some(held);
        }
        Admission::Tell { held }
    }

    pub(super) fn tried(&mut self, notice: &Notice, tries: u32) {
        if let Some((due, _)) = self.find(notice) {
            due.tries = tries;
        }
    }

    pub(super) fn settle(&mut self, notice: &Notice) {
        let wanted = name(notice);
        self.due.retain(|(due, _)| name(due) != wanted);
    }

    pub(super) fn failing(&self, dag: &DagId) -> Option<Failing> {
        self.failing.get(dag).cloned()
    }
}
