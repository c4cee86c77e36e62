//! The fields of a cron line as sets.

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};

/// The values a field allows: bit `n` for value `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Set(pub u64);

impl Set {
    pub fn insert(&mut self, value: u32) {
        self.0 |= 1 << value;
    }

    pub fn contains(self, value: u32) -> bool {
        self.0 >> value & 1 == 1
    }

    pub fn values(self) -> impl Iterator<Item = u32> {
        (0..64).filter(move |value| self.contains(*value))
    }

    /// The first value that is at least so large.
    pub fn at_least(self, least: u32) -> Option<u32> {
        let rest = self.0.checked_shr(least)?;
        (rest != 0).then(|| rest.trailing_zeros() + least)
    }

    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The value of a set that has one.
    pub fn single(self) -> Option<u32> {
        (self.len() == 1).then(|| self.0.trailing_zeros())
    }

    /// First and last value of a set without holes.
    pub fn run(self) -> Option<(u32, u32)> {
        if self.0 == 0 {
            return None;
        }
        let first = self.0.trailing_zeros();
        let last = self.0.ilog2();
        (last - first + 1 == self.len()).then_some((first, last))
    }

    /// The step of a set that has every n-th value from 0 up to `below` and divides it evenly.
    pub fn step(self, below: u32) -> Option<u32> {
        (1..below).find(|step| {
            let even = (0..below)
                .step_by(*step as usize)
                .fold(0, |set, value| set | 1 << value);
            below.is_multiple_of(*step) && self.0 == even
        })
    }
}

/// One of the six fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// With its article.
    pub name: &'static str,
    pub first: u32,
    pub last: u32,
    /// Names of the values from `first` on.
    pub names: &'static [&'static str],
}

pub(super) const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
pub(super) const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const fn unit(name: &'static str, first: u32, last: u32, names: &'static [&'static str]) -> Unit {
    Unit {
        name,
        first,
        last,
        names,
    }
}

/// The fields in the order of a line of six.
pub(super) const UNITS: [Unit; 6] = [
    unit("a second", 0, 59, &[]),
    unit("a minute", 0, 59, &[]),
    unit("an hour", 0, 23, &[]),
    unit("a day of the month", 1, 31, &[]),
    unit("a month", 1, 12, MONTHS),
    unit("a day of the week", 0, 7, WEEKDAYS),
];

/// One field: its values, and whether it begins with `*`, which is what cronie decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Field {
    pub set: Set,
    pub star: bool,
}

/// A cron line. Sunday is 0, never 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    pub second: Field,
    pub minute: Field,
    pub hour: Field,
    pub day: Field,
    pub month: Field,
    pub weekday: Field,
}

impl Fields {
    /// The first time that matches after another one of the same day; `None`: there is none that day.
    pub fn later_that_day(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let date = after.date();
        if !self.is_on(date) {
            return None;
        }
        let (hours, minutes, seconds) = (self.hour.set, self.minute.set, self.second.set);
        let (hour, minute) = (after.hour(), after.minute());
        let first = || Some((minutes.at_least(0)?, seconds.at_least(0)?));
        let this_minute = || {
            let same = hours.contains(hour) && minutes.contains(minute);
            let second = same
                .then(|| seconds.at_least(after.second() + 1))
                .flatten()?;
            Some((hour, minute, second))
        };
        let this_hour = || {
            let minute = hours.contains(hour).then(|| minutes.at_least(minute + 1));
            Some((hour, minute.flatten()?, seconds.at_least(0)?))
        };
        let later = || {
            let (minute, second) = first()?;
            Some((hours.at_least(hour + 1)?, minute, second))
        };
        let (hour, minute, second) = this_minute().or_else(this_hour).or_else(later)?;
        date.and_hms_opt(hour, minute, second)
    }

    /// The first time of a day that matches; `None`: the day doesn't.
    pub fn first_on(&self, date: NaiveDate) -> Option<NaiveDateTime> {
        if !self.is_on(date) {
            return None;
        }
        let first = |field: Field| field.set.at_least(0);
        date.and_hms_opt(first(self.hour)?, first(self.minute)?, first(self.second)?)
    }

    /// Whether a day matches, by its month and by its day of the month or of the week.
    fn is_on(&self, date: NaiveDate) -> bool {
        let day = self.day.set.contains(date.day());
        let weekday = self
            .weekday
            .set
            .contains(date.weekday().num_days_from_sunday());
        let matches = if self.either_day() {
            day || weekday
        } else {
            day && weekday
        };
        matches && self.month.set.contains(date.month())
    }

    /// Both day fields are restricted: a day matches when either does.
    pub fn either_day(&self) -> bool {
        !self.day.star && !self.weekday.star
    }

    /// It follows the wall clock through changes of the offset.
    pub fn wildcard(&self) -> bool {
        self.second.star || self.minute.star || self.hour.star
    }

    pub fn every_weekday(&self) -> bool {
        self.weekday.set.len() == 7
    }

    pub fn every_day_of_month(&self) -> bool {
        self.day.set.len() == 31
    }

    pub fn every_month(&self) -> bool {
        self.month.set.len() == 12
    }
}
