//! Cron as crontab means it. The only file that names the `cron` crate.

use std::str::FromStr;
use std::sync::Arc;

use chrono::{Datelike, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use super::cron_fields::{Fields, Set};
use super::cron_text::{CronMistake, read_fields};
use super::zone;
use crate::model::Timestamp;

/// A cron line: five fields, six with leading seconds, or a name such as `@daily`.
#[derive(Debug, Clone, PartialEq)]
pub struct CronRule {
    text: Box<str>,
    pub(super) fields: Fields,
    /// One, or two where a day may match by its date or by its weekday: the crate wants both.
    parts: Arc<[cron::Schedule]>,
}

impl CronRule {
    /// Reads a cron line.
    ///
    /// # Errors
    /// Every mistake in it, in the order of the text; at least one.
    pub fn parse(text: &str) -> Result<Self, Vec<CronMistake>> {
        let fields = read_fields(text)?;
        let parts = if fields.either_day() {
            vec![(fields.day.set, None), (ALL_DAYS, Some(fields.weekday.set))]
        } else {
            vec![(fields.day.set, Some(fields.weekday.set))]
        };
        let parts: Result<Arc<[cron::Schedule]>, _> = parts
            .into_iter()
            .map(|(days, weekdays)| cron::Schedule::from_str(&normalised(&fields, days, weekdays)))
            .collect();
        // What was read has only numbers in their ranges, which the crate takes.
        let parts = parts.map_err(|error| {
            vec![CronMistake::new(
                0..text.len(),
                error.to_string().to_lowercase(),
            )]
        })?;
        Ok(Self {
            text: text.trim().into(),
            fields,
            parts,
        })
    }

    /// The line as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it follows the wall clock: its seconds, minutes or hours begin with `*`. Through a
    /// change of the clocks it happens whenever the clock shows a matching time; any other line
    /// happens once for each of its local times.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.fields.wildcard()
    }

    /// The next moment after `after` in a time zone; `None` after 2100.
    #[must_use]
    pub fn next_after(&self, after: Timestamp, zone: Tz) -> Option<Timestamp> {
        let next = |local: NaiveDateTime| self.next_local(local);
        if self.is_wildcard() {
            zone::next_on_the_wall(zone, after, next)
        } else {
            zone::next_fixed(zone, after, next)
        }
    }

    /// The next local time that matches, as if every day had 24 hours.
    fn next_local(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        // Most ticks come within a week of the one before, and the crate begins with the year.
        let days = after.date().iter_days().skip(1).take(WEEK);
        let mut days = days.take_while(|day| day.year() <= LAST_YEAR);
        let near = self.fields.later_that_day(after);
        if let Some(found) = near.or_else(|| days.find_map(|day| self.fields.first_on(day))) {
            return Some(found);
        }
        let after = Utc.from_utc_datetime(&after);
        self.parts
            .iter()
            .filter_map(|part| part.after(&after).next())
            .min()
            .map(|found| found.naive_utc())
    }
}

const ALL_DAYS: Set = Set(0xffff_fffe);
const WEEK: usize = 7;
/// The last that the crate knows.
const LAST_YEAR: i32 = 2100;

/// The line as the crate wants it: seconds first, numbers only, Sunday as 1. A field that has all its
/// values is `*`: the crate reads and keeps that at no cost, and every number at some.
fn normalised(fields: &Fields, days: Set, weekdays: Option<Set>) -> String {
    let list = |set: Set, all: u32, shift: u32| {
        if set.len() == all {
            return "*".to_owned();
        }
        let values: Vec<String> = set.values().map(|v| (v + shift).to_string()).collect();
        values.join(",")
    };
    format!(
        "{} {} {} {} {} {}",
        list(fields.second.set, 60, 0),
        list(fields.minute.set, 60, 0),
        list(fields.hour.set, 24, 0),
        list(days, 31, 0),
        list(fields.month.set, 12, 0),
        weekdays.map_or_else(|| "*".to_owned(), |set| list(set, 7, 1)),
    )
}
