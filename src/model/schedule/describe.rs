//! Schedules in words.

use std::time::Duration;

use chrono_tz::Tz;

use super::cron_fields::{Fields, Set};
use super::{Clock, CronRule, Every, Rule, Schedule};

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Schedule {
    /// The schedule in a few words, such as `Mon–Fri at 09:30 Europe/Berlin`; a cron line that
    /// needs many words stays as it is.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Always => "always".to_owned(),
            Self::Ticks(timetable) => {
                let texts: Vec<String> = timetable.clocks.iter().map(Clock::describe).collect();
                texts.join("; ")
            }
        }
    }
}

impl Clock {
    fn describe(&self) -> String {
        match &self.rule {
            Rule::Every(every) => every.describe(),
            Rule::Cron(cron) => cron.describe(self.timezone),
        }
    }
}

impl Every {
    fn describe(&self) -> String {
        let seconds = self.period.as_secs();
        if self.period != Duration::from_secs(seconds) {
            return format!("every {} ms", self.period.as_millis());
        }
        let (count, unit) = if seconds.is_multiple_of(86_400) && seconds > 86_400 {
            (seconds / 86_400, "day")
        } else if seconds.is_multiple_of(3600) {
            (seconds / 3600, "hour")
        } else if seconds.is_multiple_of(60) {
            (seconds / 60, "minute")
        } else {
            (seconds, "second")
        };
        pace(count, unit)
    }
}

impl CronRule {
    fn describe(&self, zone: Tz) -> String {
        let fields = &self.fields;
        if let Some(text) = steady(fields) {
            return text;
        }
        let described = days(fields).and_then(|days| Some((days, times(fields)?)));
        match described {
            Some((days, times)) => format!("{days}{times} {zone}"),
            None => format!("{} {zone}", self.text()),
        }
    }
}

fn pace(count: u64, unit: &str) -> String {
    if count == 1 {
        format!("every {unit}")
    } else {
        format!("every {count} {unit}s")
    }
}

fn every_date(fields: &Fields) -> bool {
    fields.every_weekday() && fields.every_day_of_month() && fields.every_month()
}

/// A pace that no zone changes.
fn steady(fields: &Fields) -> Option<String> {
    if !every_date(fields) || fields.hour.set.len() < 24 {
        return None;
    }
    let (second, minute) = (fields.second.set, fields.minute.set);
    if minute.len() == 60
        && let Some(step) = second.step(60)
    {
        return Some(pace(u64::from(step), "second"));
    }
    if second.single() != Some(0) {
        return None;
    }
    if let Some(step) = minute.step(60) {
        return Some(pace(u64::from(step), "minute"));
    }
    match minute.single()? {
        0 => Some("every hour".to_owned()),
        minute => Some(format!("every hour at :{minute:02}")),
    }
}

/// Which days: "every day", "Mon–Fri", "day 1 of every month", "every year on 1 January".
fn days(fields: &Fields) -> Option<String> {
    if every_date(fields) {
        return Some("every day".to_owned());
    }
    if fields.every_month() && fields.every_day_of_month() {
        return Some(weekdays(fields.weekday.set));
    }
    if fields.every_weekday() {
        let day = fields.day.set.single()?;
        if fields.every_month() {
            return Some(format!("day {day} of every month"));
        }
        let month = MONTHS.get(fields.month.set.single()? as usize - 1)?;
        return Some(format!("every year on {day} {month}"));
    }
    None
}

/// From Monday on, three or more in a row as a range.
fn weekdays(set: Set) -> String {
    let order = [1, 2, 3, 4, 5, 6, 0];
    let mut names: Vec<String> = Vec::new();
    let mut at = 0;
    while at < order.len() {
        let row = order[at..]
            .iter()
            .take_while(|day| set.contains(**day))
            .count();
        if row >= 3 {
            let (first, last) = (order[at] as usize, order[at + row - 1] as usize);
            names.push(format!("{}–{}", DAYS[first], DAYS[last]));
        } else {
            names.extend(
                order[at..at + row]
                    .iter()
                    .map(|day| DAYS[*day as usize].to_owned()),
            );
        }
        at += row.max(1);
    }
    and(&names)
}

fn and(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// At which times: " at 09:30 and 17:30", ", every 5 minutes from 09:00 to 16:55".
fn times(fields: &Fields) -> Option<String> {
    let (minute, hour) = (fields.minute.set, fields.hour.set);
    let second = fields.second.set.single()?;
    if let Some(minute) = minute.single() {
        if hour.len() == 24 {
            return (second == 0).then(|| format!(", every hour at :{minute:02}"));
        }
        if hour.len() <= 4 {
            let times: Vec<String> = hour
                .values()
                .map(|hour| match second {
                    0 => format!("{hour:02}:{minute:02}"),
                    _ => format!("{hour:02}:{minute:02}:{second:02}"),
                })
                .collect();
            return Some(format!(" at {}", and(&times)));
        }
    }
    if second != 0 {
        return None;
    }
    let (first, last) = hour.run()?;
    let step = match minute.single() {
        Some(_) => "hour".to_owned(),
        None => match minute.step(60)? {
            1 => "minute".to_owned(),
            step => format!("{step} minutes"),
        },
    };
    if hour.len() == 24 {
        return Some(format!(", every {step}"));
    }
    let earliest = minute.values().next()?;
    let latest = minute.values().last()?;
    Some(format!(
        ", every {step} from {first:02}:{earliest:02} to {last:02}:{latest:02}"
    ))
}
