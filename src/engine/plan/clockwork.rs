//! Ticks: which are due, which were missed, how many.

use std::time::Duration;

use chrono::TimeDelta;

use super::{Cause, Occurrence};
use crate::model::{Catchup, DagId, Schedule, Timestamp};

/// A tick that is due for longer was missed: nothing was there to start it. Shorter delays are a
/// restart, or a busy machine.
pub(super) const MISSED: TimeDelta = TimeDelta::minutes(1);

/// The tick as a run that is to begin.
pub(super) fn occurrence(schedule: &Schedule, tick: Timestamp) -> Occurrence {
    let interval = schedule.interval_ending(tick);
    Occurrence {
        tick,
        interval_start: interval.start,
        interval_end: interval.end,
        cause: Cause::Tick,
    }
}

/// How long after its ticks a DAG starts.
pub(super) fn delay(schedule: &Schedule, dag: &DagId) -> TimeDelta {
    let Schedule::Ticks(timetable) = schedule else {
        return TimeDelta::zero();
    };
    // FNV-1a: the same seed for a name on every machine and in every release.
    let seed = dag
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3_u64)
        });
    delta(timetable.delay(seed))
}

pub(super) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// Ticks that are due, decided by their age.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// They run, oldest first.
    pub(super) wanted: Vec<Timestamp>,
    /// They don't: the first, the last, and how many.
    pub(super) missed: Option<(Timestamp, Timestamp, u64)>,
    /// The last tick that was looked at.
    pub(super) last: Option<Timestamp>,
}

/// The ticks after `decided` up to `until`. Those before `awake` were missed, and `catchup` says
/// what becomes of them.
pub(super) fn due(
    schedule: &Schedule,
    decided: Timestamp,
    until: Timestamp,
    awake: Timestamp,
) -> Due {
    let catchup = match schedule {
        Schedule::Always => return Due::default(),
        Schedule::Ticks(timetable) => timetable.catchup,
    };
    let most = match catchup {
        Catchup::None => 0,
        Catchup::Latest => 1,
        Catchup::All { limit } => limit.map_or(usize::MAX, |limit| limit as usize),
    };
    let mut found = Due::default();
    let mut late = std::collections::VecDeque::new();
    for tick in schedule
        .ticks_after(decided)
        .take_while(|tick| *tick <= until)
    {
        found.last = Some(tick);
        if tick >= awake {
            found.wanted.push(tick);
            continue;
        }
        late.push_back(tick);
        if late.len() > most
            && let Some(missed) = late.pop_front()
        {
            found.missed = Some(match found.missed {
                Some((first, _, count)) => (first, missed, count + 1),
                None => (missed, missed, 1),
            });
        }
    }
    found.wanted.splice(0..0, late);
    found
}
