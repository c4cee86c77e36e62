//! Local wall time and moments, across the changes of a zone's offset.
//!
//! Two kinds of change matter. In a gap (clocks go forward) local times never come; in an overlap
//! (clocks go back) they come twice. The rules are cronie's: see [`next_fixed`] and
//! [`next_on_the_wall`].

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

use crate::model::Timestamp;

/// A change of the clocks by more than this isn't daylight saving but a new calendar, such as the
/// day that Samoa left out in 2011: what falls into it isn't made up for.
const LONGEST_SHIFT: TimeDelta = TimeDelta::hours(3);
const SECOND: TimeDelta = TimeDelta::seconds(1);

/// Finds the next local time after a local time.
pub(super) trait NextLocal: Fn(NaiveDateTime) -> Option<NaiveDateTime> {}
impl<F: Fn(NaiveDateTime) -> Option<NaiveDateTime>> NextLocal for F {}

/// The moment of a local time. In an overlap the first one, in a gap the moment the gap ends.
#[must_use]
pub fn from_local(zone: Tz, local: NaiveDateTime) -> Option<Timestamp> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) => Some(at.to_utc()),
        LocalResult::Ambiguous(first, second) => Some(first.min(second).to_utc()),
        LocalResult::None => Some(GapInfo::new(&local, &zone)?.end?.to_utc()),
    }
}

/// The next moment of a job at fixed times: each of its local times happens once. In an overlap
/// at its first coming; in a gap of up to three hours, at the moment the gap ends. Several that
/// fall into one gap become one.
pub(super) fn next_fixed(zone: Tz, after: Timestamp, next: impl NextLocal) -> Option<Timestamp> {
    let mut cursor = local(zone, after);
    if let Some(overlap) = Overlap::around(zone, after)
        && after >= overlap.second_pass
    {
        // All local times of the overlap have come before.
        cursor = overlap.end - SECOND;
    }
    loop {
        cursor = next(cursor)?;
        match zone.from_local_datetime(&cursor) {
            LocalResult::Single(at) => return Some(at.to_utc()),
            LocalResult::Ambiguous(first, second) => return Some(first.min(second).to_utc()),
            LocalResult::None => {
                let gap = Gap::around(zone, cursor)?;
                if gap.length <= LONGEST_SHIFT && gap.over > after {
                    return Some(gap.over);
                }
                cursor = gap.end - SECOND;
            }
        }
    }
}

/// The next moment of a job that follows the wall clock: whenever the clock shows a time that
/// matches. In a gap nothing happens, in an overlap everything happens twice.
pub(super) fn next_on_the_wall(
    zone: Tz,
    after: Timestamp,
    next: impl NextLocal,
) -> Option<Timestamp> {
    let mut cursor = local(zone, after);
    let forward = loop {
        let Some(found) = next(cursor) else {
            break None;
        };
        cursor = found;
        match zone.from_local_datetime(&cursor) {
            LocalResult::Single(at) => break Some(at.to_utc()),
            LocalResult::Ambiguous(one, other) => {
                let (first, second) = (one.min(other).to_utc(), one.max(other).to_utc());
                break Some(if first > after { first } else { second });
            }
            LocalResult::None => cursor = Gap::around(zone, cursor)?.end - SECOND,
        }
    };
    // Before the clocks go back, local times that have passed are still to come again.
    let again = Overlap::around(zone, after)
        .filter(|overlap| after < overlap.second_pass)
        .and_then(|overlap| next(overlap.start - SECOND))
        .and_then(|found| zone.from_local_datetime(&found).latest())
        .map(|at| at.to_utc());
    match (forward, again) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// What the wall clock shows, in whole seconds.
pub(super) fn local(zone: Tz, at: Timestamp) -> NaiveDateTime {
    let local = at.with_timezone(&zone).naive_local();
    local - TimeDelta::nanoseconds(i64::from(local.and_utc().timestamp_subsec_nanos()))
}

/// Local times that don't exist.
struct Gap {
    /// The first local time after it.
    end: NaiveDateTime,
    /// The moment it is over.
    over: Timestamp,
    length: TimeDelta,
}

impl Gap {
    fn around(zone: Tz, missing: NaiveDateTime) -> Option<Self> {
        let gap = GapInfo::new(&missing, &zone)?;
        let over = gap.end?;
        let end = over.naive_local();
        Some(Self {
            end,
            over: over.to_utc(),
            length: end - gap.begin?.0,
        })
    }
}

/// Local times that come twice.
struct Overlap {
    /// The first local time of it.
    start: NaiveDateTime,
    /// The first local time after it.
    end: NaiveDateTime,
    /// The moment the clocks go back.
    second_pass: Timestamp,
}

impl Overlap {
    /// The overlap that a moment is in, in its first or second pass.
    fn around(zone: Tz, at: Timestamp) -> Option<Self> {
        let LocalResult::Ambiguous(one, other) = zone.from_local_datetime(&local(zone, at)) else {
            return None;
        };
        let (first, second) = (one.min(other), one.max(other));
        let before = first.offset().fix();
        let (mut low, mut high) = (first.timestamp(), second.timestamp());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let moment = DateTime::from_timestamp(middle, 0)?;
            if zone.offset_from_utc_datetime(&moment.naive_utc()).fix() == before {
                low = middle;
            } else {
                high = middle;
            }
        }
        let second_pass: DateTime<Utc> = DateTime::from_timestamp(high, 0)?;
        Some(Self {
            start: second_pass.naive_utc() + second.offset().fix(),
            end: second_pass.naive_utc() + before,
            second_pass,
        })
    }
}
