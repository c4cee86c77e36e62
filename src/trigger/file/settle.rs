//! When a file is complete: nothing tells, but that it doesn't change any more.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;

use crate::connection::StoredFile;
use crate::model::Timestamp;

/// Files and since when they are as they are.
#[derive(Debug)]
pub(super) struct Settling {
    settle: TimeDelta,
    known: BTreeMap<String, Known>,
}

#[derive(Debug, PartialEq, Eq)]
struct Known {
    bytes: u64,
    modified: Timestamp,
    since: Timestamp,
}

/// What there is at a moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) settled: Vec<StoredFile>,
    pub(super) unsettled: Vec<StoredFile>,
    /// When the next one has settled, if it doesn't change.
    pub(super) next: Option<Timestamp>,
}

impl Settling {
    pub(super) fn new(settle: Duration) -> Self {
        Self {
            settle: TimeDelta::from_std(settle).unwrap_or(TimeDelta::MAX),
            known: BTreeMap::new(),
        }
    }

    /// Takes in all files that are there now.
    pub(super) fn look(&mut self, now: Timestamp, files: Vec<StoredFile>) -> Look {
        let mut before = std::mem::take(&mut self.known);
        let mut look = Look::default();
        for file in files {
            let known = before.remove(&file.path);
            let same = |known: &Known| (known.bytes, known.modified) == (file.bytes, file.modified);
            // Nobody has written it since its own time, unless that is still to come.
            let known = known.filter(same).unwrap_or(Known {
                bytes: file.bytes,
                modified: file.modified,
                since: file.modified.min(now),
            });
            let due = known.since.checked_add_signed(self.settle);
            self.known.insert(file.path.clone(), known);
            match due {
                Some(due) if due <= now => look.settled.push(file),
                due => {
                    look.unsettled.push(file);
                    look.next = [look.next, due].into_iter().flatten().min();
                }
            }
        }
        look
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_timestamp_millis(1_800_000_000_000 + milliseconds).unwrap()
    }

    fn file(path: &str, bytes: u64, modified: i64) -> StoredFile {
        StoredFile {
            path: path.to_owned(),
            bytes,
            modified: at(modified),
        }
    }

    /// Path, size and time.
    type Found = (&'static str, u64, i64);

    /// Looks at moments, each with the files that are there (size and time): those that have
    /// settled, and when the next one will have.
    fn check(looks: &[(i64, &[Found])], expected: &[(&[&str], Option<i64>)]) {
        let mut settling = Settling::new(Duration::from_secs(5));
        for ((now, files), (settled, next)) in looks.iter().zip(expected) {
            let files = files
                .iter()
                .map(|(path, bytes, at)| file(path, *bytes, *at));
            let look = settling.look(at(*now), files.collect());
            let found: Vec<&str> = look.settled.iter().map(|file| file.path.as_str()).collect();
            assert_eq!(
                (found.as_slice(), look.next),
                (*settled, next.map(at)),
                "{now}"
            );
        }
        assert_eq!(looks.len(), expected.len());
    }

    #[test]
    fn a_file_settles_when_it_hasnt_changed_for_a_while() {
        check(
            &[
                (0, &[("old", 1, -9_000), ("new", 1, 0)]),
                (4_000, &[("old", 1, -9_000), ("new", 2, 3_900)]),
                (8_899, &[("old", 1, -9_000), ("new", 2, 3_900)]),
                (8_900, &[("old", 1, -9_000), ("new", 2, 3_900)]),
            ],
            &[
                (&["old"], Some(5_000)),
                (&["old"], Some(8_900)),
                (&["old"], Some(8_900)),
                (&["old", "new"], None),
            ],
        );
    }

    #[test]
    fn a_time_that_is_still_to_come_says_nothing() {
        let early: Found = ("early", 1, 60_000);
        check(
            &[(0, &[early]), (4_999, &[early]), (5_000, &[early])],
            &[(&[], Some(5_000)), (&[], Some(5_000)), (&["early"], None)],
        );
    }

    #[test]
    fn what_was_gone_settles_anew() {
        let late: Found = ("late", 1, 60_000);
        check(
            &[(0, &[late]), (3_000, &[]), (6_000, &[late])],
            &[(&[], Some(5_000)), (&[], None), (&[], Some(11_000))],
        );
    }
}
