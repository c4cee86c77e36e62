//! Ticks of time, UTC.

use std::time::Duration;

use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime, Utc};

const DAY: i64 = 86_400_000;

/// Between two ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A part of a day.
    Milliseconds(i64),
    Days(i64),
    Months(u32),
}

/// From fine to coarse; years beyond these are made as they are needed.
const STEPS: &[Step] = &[
    Step::Milliseconds(1),
    Step::Milliseconds(2),
    Step::Milliseconds(5),
    Step::Milliseconds(10),
    Step::Milliseconds(20),
    Step::Milliseconds(50),
    Step::Milliseconds(100),
    Step::Milliseconds(200),
    Step::Milliseconds(500),
    Step::Milliseconds(1_000),
    Step::Milliseconds(2_000),
    Step::Milliseconds(5_000),
    Step::Milliseconds(10_000),
    Step::Milliseconds(15_000),
    Step::Milliseconds(30_000),
    Step::Milliseconds(60_000),
    Step::Milliseconds(120_000),
    Step::Milliseconds(300_000),
    Step::Milliseconds(600_000),
    Step::Milliseconds(900_000),
    Step::Milliseconds(1_800_000),
    Step::Milliseconds(3_600_000),
    Step::Milliseconds(7_200_000),
    Step::Milliseconds(10_800_000),
    Step::Milliseconds(21_600_000),
    Step::Milliseconds(43_200_000),
    Step::Days(1),
    Step::Days(2),
    Step::Days(7),
    Step::Days(14),
    Step::Months(1),
    Step::Months(2),
    Step::Months(3),
    Step::Months(6),
    Step::Months(12),
    Step::Months(24),
    Step::Months(60),
    Step::Months(120),
    Step::Months(240),
    Step::Months(600),
    Step::Months(1200),
    Step::Months(2400),
    Step::Months(6000),
    Step::Months(12000),
];

impl Step {
    /// A step of a length that was asked for.
    pub(super) fn of(length: Duration) -> Self {
        let milliseconds = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1);
        if milliseconds >= DAY {
            Self::Days((milliseconds / DAY).min(3_000_000))
        } else {
            Self::Milliseconds(milliseconds)
        }
    }

    /// In seconds; of months the mean.
    pub(super) fn seconds(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "steps are far below 2^53")]
        match self {
            Self::Milliseconds(count) => count as f64 / 1000.0,
            Self::Days(count) => count as f64 * 86_400.0,
            Self::Months(count) => f64::from(count) * 2_629_746.0,
        }
    }

    /// The steps that are at least as long as some seconds, from fine to coarse.
    pub(super) fn at_least(seconds: f64) -> impl Iterator<Item = Self> {
        // A month of 28 days is a month, too.
        STEPS
            .iter()
            .copied()
            .filter(move |step| step.seconds() * 1.1 >= seconds)
    }

    /// What values at such distances are labelled by.
    pub(super) fn nearest(seconds: f64) -> Self {
        let mut below = STEPS.iter().rev().copied();
        let found = below.find(|step| step.seconds() <= seconds * 1.1);
        found.unwrap_or(STEPS[0])
    }

    /// The ticks from `low` to `high`, in seconds.
    pub(super) fn ticks(self, low: f64, high: f64) -> Vec<f64> {
        let mut ticks = Vec::new();
        let mut at = self.first(low);
        while let Some(tick) = at {
            let seconds = seconds(tick);
            if seconds > high || ticks.len() > 2000 {
                break;
            }
            if seconds >= low {
                ticks.push(seconds);
            }
            at = self.after(tick);
        }
        ticks
    }

    /// The last tick that isn't behind a time.
    fn first(self, low: f64) -> Option<DateTime<Utc>> {
        let low = moment(low);
        match self {
            Self::Milliseconds(step) => {
                let at = low.timestamp_millis().div_euclid(step) * step;
                DateTime::from_timestamp_millis(at)
            }
            Self::Days(step) => {
                let day = low.timestamp_millis().div_euclid(DAY);
                // Weeks begin on Mondays, as the fifth day of 1970 was.
                let offset = if step % 7 == 0 { 4 } else { 0 };
                let day = (day - offset).div_euclid(step) * step + offset;
                DateTime::from_timestamp_millis(day * DAY)
            }
            Self::Months(step) => {
                let step = i32::try_from(step).ok()?;
                let month = low.year() * 12 + i32::try_from(low.month0()).ok()?;
                let month = month.div_euclid(step) * step;
                let number = u32::try_from(month.rem_euclid(12)).ok()? + 1;
                let date = NaiveDate::from_ymd_opt(month.div_euclid(12), number, 1)?;
                Some(date.and_time(NaiveTime::MIN).and_utc())
            }
        }
    }

    fn after(self, tick: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Milliseconds(step) => {
                DateTime::from_timestamp_millis(tick.timestamp_millis() + step)
            }
            Self::Days(step) => {
                DateTime::from_timestamp_millis(tick.timestamp_millis() + step * DAY)
            }
            Self::Months(step) => tick.checked_add_months(Months::new(step)),
        }
    }

    /// What stands at a tick.
    pub(super) fn label(self, seconds: f64) -> String {
        let pattern = match self {
            Self::Milliseconds(step) if step % 1000 != 0 => "%H:%M:%S%.3f",
            Self::Milliseconds(step) if step % 60_000 != 0 => "%H:%M:%S",
            Self::Milliseconds(_) => "%H:%M",
            Self::Days(_) => "%-d %b",
            Self::Months(step) if step % 12 != 0 => "%b",
            Self::Months(_) => "%Y",
        };
        formatted(seconds, pattern)
    }

    /// What the label leaves out, said where it changes.
    pub(super) fn context(self, seconds: f64) -> Option<String> {
        let pattern = match self {
            Self::Milliseconds(_) => "%-d %b %Y",
            Self::Months(step) if step % 12 == 0 => return None,
            Self::Days(_) | Self::Months(_) => "%Y",
        };
        Some(formatted(seconds, pattern))
    }
}

/// A moment as `strftime` writes it.
pub(super) fn formatted(seconds: f64, pattern: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    // A pattern that can't be read was refused where it was given.
    if write!(text, "{}", moment(seconds).format(pattern)).is_err() {
        text.clear();
    }
    text
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float too large becomes the largest integer, which no moment has"
)]
fn moment(seconds: f64) -> DateTime<Utc> {
    let microseconds = (seconds * 1e6).round() as i64;
    DateTime::from_timestamp_micros(microseconds).unwrap_or_default()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no year that people write is that far"
)]
fn seconds(moment: DateTime<Utc>) -> f64 {
    moment.timestamp_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> f64 {
        seconds(text.parse().unwrap())
    }

    #[test]
    fn ticks_stand_where_people_expect_them() {
        let hour = Step::Milliseconds(3_600_000);
        for (step, low, high, expected) in [
            (
                hour,
                "2026-08-20T22:10:00Z",
                "2026-08-21T01:00:00Z",
                "23:00 00:00 01:00",
            ),
            (
                Step::Days(1),
                "2026-02-27T00:00:00Z",
                "2026-03-02T00:00:00Z",
                "27 Feb 28 Feb 1 Mar 2 Mar",
            ),
            (
                Step::Days(7),
                "2026-08-20T00:00:00Z",
                "2026-09-01T00:00:00Z",
                "24 Aug 31 Aug",
            ),
            (
                Step::Months(3),
                "2025-11-20T00:00:00Z",
                "2026-08-01T00:00:00Z",
                "Jan Apr Jul",
            ),
            (
                Step::Months(120),
                "1969-01-01T00:00:00Z",
                "1991-01-01T00:00:00Z",
                "1970 1980 1990",
            ),
            (
                Step::Milliseconds(500),
                "2026-08-20T22:10:00.2Z",
                "2026-08-20T22:10:01Z",
                "22:10:00.500 22:10:01.000",
            ),
        ] {
            let ticks = step.ticks(at(low), at(high));
            let labels: Vec<String> = ticks.iter().map(|tick| step.label(*tick)).collect();
            assert_eq!(labels.join(" "), expected);
        }
    }

    #[test]
    fn distances_have_steps() {
        for (seconds, expected) in [
            (86_400.0, Step::Days(1)),
            (28.0 * 86_400.0, Step::Months(1)),
            (365.0 * 86_400.0, Step::Months(12)),
            (3600.0, Step::Milliseconds(3_600_000)),
            (1e-9, Step::Milliseconds(1)),
        ] {
            assert_eq!(Step::nearest(seconds), expected, "{seconds}");
        }
        assert_eq!(
            Step::at_least(100.0).next(),
            Some(Step::Milliseconds(120_000))
        );
        assert_eq!(Step::of(Duration::from_hours(24)), Step::Days(1));
    }
}
