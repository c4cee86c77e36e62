//! Moments and amounts, drawn and spelled as the snapshots spell them.

use std::fmt;

use super::random::Random;

pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// A moment as a clock of its own offset shows it: `2020-08-20 05:29:59.99+05:30`.
pub(super) struct Zoned {
    pub(super) moment: i64,
    pub(super) digits: u32,
    pub(super) offset_minutes: i64,
}

impl Zoned {
    pub(super) fn draw(moment: i64, random: &mut Random) -> Self {
        let digits = [3, 3, 3, 3, 3, 3, 2, 1, 0][random.skewed(9)];
        let offset_minutes = match random.below(24) {
            0 => 120,
            1 => -180,
            2 => 330,
            3 => -570,
            4 => 14 * 60,
            _ => 0,
        };
        Self {
            moment,
            digits,
            offset_minutes,
        }
    }
}

impl fmt::Display for Zoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.moment + self.offset_minutes * 60_000_000;
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let minutes = self.offset_minutes.abs();
        write!(
            f,
            "{}{sign}{:02}",
            Stamp {
                micros,
                digits: self.digits
            },
            minutes / 60
        )?;
        match minutes % 60 {
            0 => Ok(()),
            rest => write!(f, ":{rest:02}"),
        }
    }
}

/// Date and time, cut after `digits` decimals of the second.
pub(super) struct Stamp {
    pub(super) micros: i64,
    pub(super) digits: u32,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.micros.div_euclid(DAY_MICROS));
        let of_day = self.micros.rem_euclid(DAY_MICROS);
        let seconds = of_day / 1_000_000;
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        )?;
        if self.digits == 0 {
            return Ok(());
        }
        let fraction = of_day % 1_000_000 / 10_i64.pow(6 - self.digits);
        write!(f, ".{fraction:0width$}", width = self.digits as usize)
    }
}

/// Year, month and day of a day counted from 1970 (Howard Hinnant's `civil_from_days`).
pub(super) fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let day = of_year - (153 * march + 2) / 5 + 1;
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// A decimal number; more digits than a binary float can hold are common.
pub(super) struct Amount {
    pub(super) negative: bool,
    pub(super) whole: u64,
    pub(super) fraction: u64,
    pub(super) digits: u32,
}

impl Amount {
    pub(super) fn draw(random: &mut Random) -> Self {
        let (negative, most, digits) = match random.below(100) {
            0..45 => (false, 5_000, 1),
            45..65 => (false, 20_000, 2),
            65..80 => (false, 3, 8),
            80..92 => (false, 300, 18),
            92..96 => (false, 6_800_000_000_000, 18),
            96..98 => (true, 10, 2),
            98 => (false, 1, 18),
            _ => (false, 100_000, 0),
        };
        let fraction = match digits {
            1 => 0,
            _ => random.below(10_u64.pow(digits)),
        };
        Self {
            negative,
            whole: random.below(most),
            fraction,
            digits,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}{}", self.whole)?;
        match self.digits {
            0 => Ok(()),
            digits => write!(f, ".{:0width$}", self.fraction, width = digits as usize),
        }
    }
}

/// An empty cell when there is nothing: NULL to `COPY`.
pub(super) struct Optional<T>(pub(super) Option<T>);

impl<T: fmt::Display> fmt::Display for Optional<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |value| value.fmt(f))
    }
}
