//! One rule with its zone, its limits and its calendar.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta};
use chrono_tz::Tz;

use super::{CronRule, zone};
use crate::model::Timestamp;

/// What makes ticks.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    Cron(CronRule),
    Every(Every),
}

/// A steady pace: a tick at `anchor` and at every whole number of periods before and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    /// At least a second.
    pub period: Duration,
    pub anchor: Timestamp,
}

/// The dates, in the zone of the clock, on which ticks count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Calendar {
    /// When it isn't empty, ticks on other dates don't count.
    pub only: BTreeSet<NaiveDate>,
    /// Ticks on these dates don't count.
    pub exclude: BTreeSet<NaiveDate>,
}

/// A rule in a time zone, within limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Clock {
    pub rule: Rule,
    pub timezone: Tz,
    /// Where the data begins: ticks come after it.
    pub start: Option<Timestamp>,
    /// Where the data ends: ticks come up to it.
    pub end: Option<Timestamp>,
    pub calendar: Calendar,
}

impl Clock {
    /// A rule in a zone, without limits.
    #[must_use]
    pub fn new(rule: Rule, timezone: Tz) -> Self {
        Self {
            rule,
            timezone,
            start: None,
            end: None,
            calendar: Calendar::default(),
        }
    }

    /// The first tick after a moment.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let mut cursor = self.start.map_or(after, |start| start.max(after));
        loop {
            let tick = self.rule.next_after(cursor, self.timezone)?;
            if self.end.is_some_and(|end| tick > end) {
                return None;
            }
            if self.calendar.has_all() {
                return Some(tick);
            }
            let date = zone::local(self.timezone, tick).date();
            let Some(allowed) = self.calendar.allowed_from(date)? else {
                return Some(tick);
            };
            // Just before the first allowed date begins; never back.
            let midnight = zone::from_local(self.timezone, allowed.and_time(NaiveTime::MIN))?;
            cursor = tick.max(midnight - TimeDelta::nanoseconds(1));
        }
    }

    /// The last tick before a moment.
    #[must_use]
    pub fn previous(&self, before: Timestamp) -> Option<Timestamp> {
        last_before(before, self.start, |after| self.next_after(after))
    }
}

impl Calendar {
    /// Whether every date counts.
    fn has_all(&self) -> bool {
        self.only.is_empty() && self.exclude.is_empty()
    }

    /// `Some(None)` when the date counts, otherwise the next date that does; `None` when none does.
    #[expect(
        clippy::option_option,
        reason = "a date, no date to go to, no date at all"
    )]
    fn allowed_from(&self, date: NaiveDate) -> Option<Option<NaiveDate>> {
        let mut found = date;
        loop {
            if !self.only.is_empty() {
                found = *self.only.range(found..).next()?;
            }
            if !self.exclude.contains(&found) {
                return Some((found != date).then_some(found));
            }
            found = found.succ_opt()?;
        }
    }
}

impl Rule {
    /// The next moment of the rule itself.
    #[must_use]
    pub fn next_after(&self, after: Timestamp, zone: Tz) -> Option<Timestamp> {
        // Before 1970 there was no cron, and its years end with 2100.
        let after = after.max(DateTime::UNIX_EPOCH - TimeDelta::seconds(1));
        if after > LAST {
            return None;
        }
        match self {
            Self::Cron(cron) => cron.next_after(after, zone),
            Self::Every(every) => every.next_after(after),
        }
    }

    /// The moment of the rule itself before a moment.
    #[must_use]
    pub fn previous(&self, before: Timestamp, zone: Tz) -> Option<Timestamp> {
        last_before(before, None, |after| self.next_after(after, zone))
    }
}

/// 2100-12-31T00:00:00Z.
const LAST: Timestamp = match DateTime::from_timestamp(4_133_894_400, 0) {
    Some(last) => last,
    None => DateTime::UNIX_EPOCH,
};

impl Every {
    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let period = i64::try_from(self.period.as_micros()).ok()?.max(1);
        let anchor = self.anchor.timestamp_micros();
        // Less than a microsecond is cut off, which is what "after" needs.
        let passed = after
            .timestamp_micros()
            .checked_sub(anchor)?
            .div_euclid(period);
        let at = passed
            .checked_add(1)?
            .checked_mul(period)?
            .checked_add(anchor)?;
        DateTime::from_timestamp_micros(at)
    }
}

/// The last tick before a moment, found with `next` alone so that looking back can't disagree
/// with looking forward: first a stretch that has a tick, doubled until there is one, then halves. The
/// first stretch is as long as the one up to the next tick: a steady rule has its tick there.
fn last_before(
    before: Timestamp,
    start: Option<Timestamp>,
    next: impl Fn(Timestamp) -> Option<Timestamp>,
) -> Option<Timestamp> {
    let lowest = start
        .unwrap_or(DateTime::UNIX_EPOCH)
        .max(DateTime::UNIX_EPOCH);
    let lowest = lowest - TimeDelta::microseconds(i64::from(start.is_none()));
    let tick_after = |at: Timestamp| next(at).filter(|tick| *tick < before);
    let ahead = next(before).map_or(TimeDelta::zero(), |tick| tick - before);
    let mut stretch = (ahead + TimeDelta::microseconds(1)).max(TimeDelta::seconds(1));
    let mut found = loop {
        let from = before
            .checked_sub_signed(stretch)
            .map_or(lowest, |from| from.max(lowest));
        if let Some(tick) = tick_after(from) {
            break tick;
        }
        if from == lowest {
            return None;
        }
        stretch = stretch * 2;
    };
    // A steady rule ends here at once; the halves are for those that come in bursts.
    let mut high = before;
    while let Some(next) = tick_after(found) {
        let middle = next + (high - next) / 2;
        let later = tick_after(middle);
        if later.is_none() {
            high = middle;
        }
        found = later.unwrap_or(next);
    }
    Some(found)
}
