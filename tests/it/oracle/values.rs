//! Moments, dates and decimals, read and written by hand.

use std::fmt;

const MICROS_PER_DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(i64);

impl Day {
    /// Reads `2020-08-20`.
    pub(crate) fn parse(text: &str) -> Self {
        let [year, month, day] = numbers(text, '-');
        assert!(
            (1970..=9999).contains(&year)
                && (1..=12).contains(&month)
                && (1..=month_length(year, month)).contains(&day),
            "`{text}` is not a date"
        );
        let years: i64 = (1970..year).map(year_length).sum();
        let months: i64 = (1..month).map(|month| month_length(year, month)).sum();
        Self(years + months + day - 1)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut year, mut month, mut rest) = (1970, 1, self.0);
        while rest >= year_length(year) {
            rest -= year_length(year);
            year += 1;
        }
        while rest >= month_length(year, month) {
            rest -= month_length(year, month);
            month += 1;
        }
        write!(f, "{year:04}-{month:02}-{:02}", rest + 1)
    }
}

fn year_length(year: i64) -> i64 {
    (1..=12).map(|month| month_length(year, month)).sum()
}

fn month_length(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn numbers<const N: usize>(text: &str, separator: char) -> [i64; N] {
    let parts: Vec<i64> = text
        .split(separator)
        .map(|part| part.parse().expect("a number"))
        .collect();
    parts.try_into().expect("as many numbers as asked for")
}

/// A moment, in microseconds since 1970 in UTC. Displayed with six decimals, without an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i64);

impl Moment {
    /// Reads `2020-01-02 19:55:43.341+00`; decimals and offset may be missing, and no offset means UTC.
    pub(crate) fn parse(text: &str) -> Self {
        let (date, clock) = text.split_once(' ').expect("a date and a time");
        let (clock, offset) = match clock.find(['+', '-']) {
            Some(at) => clock.split_at(at),
            None => (clock, "+00"),
        };
        let (clock, decimals) = clock.split_once('.').unwrap_or((clock, ""));
        let [hour, minute, second] = numbers(clock, ':');
        let micros: i64 = format!("{decimals:0<6}").parse().expect("decimals");
        assert!(decimals.len() <= 6, "`{text}` has too many decimals");

        let (hours, minutes) = offset[1..].split_once(':').unwrap_or((&offset[1..], "0"));
        let ahead: i64 =
            hours.parse::<i64>().expect("hours") * 60 + minutes.parse::<i64>().expect("minutes");
        let ahead = if offset.starts_with('-') {
            -ahead
        } else {
            ahead
        };

        let seconds = (hour * 60 + minute - ahead) * 60 + second;
        Self(Day::parse(date).0 * MICROS_PER_DAY + seconds * 1_000_000 + micros)
    }

    /// The day in UTC.
    pub(crate) fn day(self) -> Day {
        Day(self.0.div_euclid(MICROS_PER_DAY))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_day = self.0.rem_euclid(MICROS_PER_DAY);
        let (seconds, micros) = (of_day / 1_000_000, of_day % 1_000_000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{} {hour:02}:{minute:02}:{second:02}.{micros:06}",
            self.day()
        )
    }
}

/// An exact decimal: `units` times ten to the minus `decimals`. It keeps its zeros: 1.50 isn't 1.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    units: i128,
    decimals: u32,
}

impl Decimal {
    /// The sum of nothing.
    pub(crate) const ZERO: Self = Self {
        units: 0,
        decimals: 0,
    };

    /// Reads `-12.340`.
    pub(crate) fn parse(text: &str) -> Self {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        Self {
            units: format!("{whole}{fraction}")
                .parse()
                .expect("a decimal number"),
            decimals: u32::try_from(fraction.len()).expect("few decimals"),
        }
    }

    /// With as many decimals as the one that has more.
    pub(crate) fn add(self, other: Self) -> Self {
        let decimals = self.decimals.max(other.decimals);
        let scaled = |number: Self| {
            10_i128
                .checked_pow(decimals - number.decimals)
                .and_then(|power| number.units.checked_mul(power))
                .expect("a number within 38 digits")
        };
        Self {
            units: scaled(self)
                .checked_add(scaled(other))
                .expect("a sum within 38 digits"),
            decimals,
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let decimals = self.decimals as usize;
        let digits = format!(
            "{:0>width$}",
            self.units.unsigned_abs(),
            width = decimals + 1
        );
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Day, Decimal, Moment};

    #[test]
    fn moments_are_utc_whatever_their_offset() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Moment::parse(text).to_string(), expected, "{text}");
        };
        check("1970-01-01 00:00:00", "1970-01-01 00:00:00.000000");
        check("2020-08-20 00:00:00.000001", "2020-08-20 00:00:00.000001");
        check("2020-01-02 19:55:43.341+00", "2020-01-02 19:55:43.341000");
        check("2020-08-20 02:00:00+02", "2020-08-20 00:00:00.000000");
        check("2020-08-20 05:29:59.9+05:30", "2020-08-19 23:59:59.900000");
        check("2020-08-19 14:30:00.50-09:30", "2020-08-20 00:00:00.500000");
        check("2020-03-01 13:59:59+14", "2020-02-29 23:59:59.000000");
        check("2020-12-31 23:30:00-03", "2021-01-01 02:30:00.000000");
        check("2100-03-01 00:00:00", "2100-03-01 00:00:00.000000");
    }

    #[test]
    fn days_are_counted_from_1970() {
        let check = |text: &str, expected: i64| {
            assert_eq!(Day::parse(text), Day(expected), "{text}");
            assert_eq!(Day(expected).to_string(), text);
        };
        check("1970-01-01", 0);
        check("1972-03-01", 790);
        check("2000-02-29", 11_016);
        check("2020-08-20", 18_494);
        check("2021-01-01", 18_628);
    }

    #[test]
    fn sums_keep_every_decimal() {
        let check = |numbers: &[&str], expected: &str| {
            let sum = numbers
                .iter()
                .map(|text| Decimal::parse(text))
                .fold(Decimal::ZERO, Decimal::add);
            assert_eq!(sum.to_string(), expected, "{numbers:?}");
        };
        check(&[], "0");
        check(&["1000.0"], "1000.0");
        check(&["0.1", "0.2"], "0.3");
        check(&["0.10", "0.2"], "0.30");
        check(&["-0.5", "0.25"], "-0.25");
        check(&["-10", "10.00"], "0.00");
        check(
            &["6800000000000.0", "0.000000000000000001"],
            "6800000000000.000000000000000001",
        );
    }
}
