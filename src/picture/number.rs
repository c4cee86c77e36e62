//! Ticks of numbers, and how numbers are written.

use super::chart::{NumberFormat, NumberStyle};

/// Values beyond are drawn by nobody: their differences aren't finite any more.
const LARGEST: f64 = 1e300;

/// Ticks at equal distances: `first × step`, …, `last × step`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ticks {
    pub(super) first: f64,
    pub(super) last: f64,
    step: Step,
}

/// 1, 2 or 5 times a power of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    digit: u32,
    power: i32,
}

impl Step {
    /// The smallest step that isn't below a value.
    fn from(value: f64) -> Self {
        let mut power = exponent(value);
        for _ in 0..2 {
            for digit in [1, 2, 5] {
                let step = Self { digit, power };
                if step.value() >= value * (1.0 - 1e-9) {
                    return step;
                }
            }
            power += 1;
        }
        Self { digit: 1, power }
    }

    fn next(self) -> Self {
        match self.digit {
            1 => Self { digit: 2, ..self },
            2 => Self { digit: 5, ..self },
            _ => Self {
                digit: 1,
                power: self.power + 1,
            },
        }
    }

    fn value(self) -> f64 {
        f64::from(self.digit) * ten_to(self.power)
    }
}

/// The exponent of a number in scientific notation.
fn exponent(value: f64) -> i32 {
    let text = format!("{value:e}");
    text.split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0)
}

/// A power of ten, as exact as there is one.
fn ten_to(power: i32) -> f64 {
    format!("1e{power}").parse().unwrap_or(1.0)
}

impl Ticks {
    /// About `count` steps that cover a range.
    pub(super) fn covering(low: f64, high: f64, count: f64) -> Self {
        let (low, high) = widened(low, high);
        let step = Step::from((high - low) / count);
        Self::with(step, low, high)
    }

    fn with(step: Step, low: f64, high: f64) -> Self {
        let size = step.value();
        Self {
            first: (low / size + 1e-9).floor(),
            last: (high / size - 1e-9).ceil(),
            step,
        }
    }

    /// Exactly as many steps as another axis has, so that both share one grid.
    pub(super) fn covering_as(low: f64, high: f64, other: Self) -> Self {
        let (low, high) = widened(low, high);
        let steps = (other.last - other.first).max(1.0);
        let mut step = Step::from((high - low) / steps);
        loop {
            let mut ticks = Self::with(step, low, high);
            if ticks.last - ticks.first <= steps {
                // What is over goes to the top, or below where nothing is above zero.
                if ticks.last <= 0.0 {
                    ticks.first = ticks.last - steps;
                } else {
                    ticks.last = ticks.first + steps;
                }
                return ticks;
            }
            step = step.next();
        }
    }

    /// The ticks within a range that is given.
    pub(super) fn within(low: f64, high: f64, count: f64) -> Self {
        let step = Step::from((high - low) / count);
        let size = step.value();
        Self {
            first: (low / size - 1e-9).ceil(),
            last: (high / size + 1e-9).floor(),
            step,
        }
    }

    /// One tick: a digit times a power of ten.
    pub(super) fn single(digit: u32, power: i32) -> Self {
        Self {
            first: 1.0,
            last: 1.0,
            step: Step { digit, power },
        }
    }

    pub(super) fn low(&self) -> f64 {
        self.at(self.first)
    }

    pub(super) fn high(&self) -> f64 {
        self.at(self.last)
    }

    /// `1.2` rather than `1.2000000000000002`: of a small step the inverse is exact.
    fn at(&self, index: f64) -> f64 {
        let index = index * f64::from(self.step.digit);
        if self.step.power < 0 && self.step.power > -300 {
            index / ten_to(-self.step.power)
        } else {
            index * ten_to(self.step.power)
        }
    }

    pub(super) fn values(&self) -> Vec<f64> {
        let mut values = Vec::new();
        let mut index = self.first;
        while index <= self.last && values.len() < 1000 {
            values.push(self.at(index));
            index += 1.0;
        }
        values
    }

    /// The ticks as texts.
    pub(super) fn labels(&self, format: &NumberFormat) -> Vec<String> {
        let values = self.values();
        let largest = values
            .iter()
            .fold(0.0_f64, |most, value| most.max(value.abs()));
        let write = Writing::of(format, largest, self.step.power);
        values
            .iter()
            .map(|value| write.text(*value, format))
            .collect()
    }
}

/// A range that has an extent which numbers can express.
fn widened(low: f64, high: f64) -> (f64, f64) {
    let (low, high) = (low.clamp(-LARGEST, LARGEST), high.clamp(-LARGEST, LARGEST));
    let largest = low.abs().max(high.abs());
    if largest == 0.0 {
        return (0.0, 1.0);
    }
    if high - low > largest * 1e-12 {
        return (low, high);
    }
    (low - largest * 0.05, high + largest * 0.05)
}

/// How the numbers of one axis are written.
#[derive(Debug, Clone, Copy)]
enum Writing {
    /// Divided by a power of ten, with a sign for it.
    Plain {
        power: i32,
        sign: &'static str,
        decimals: usize,
    },
    Scientific {
        decimals: usize,
    },
}

impl Writing {
    /// `step` is the power of ten of the distance between two numbers.
    fn of(format: &NumberFormat, largest: f64, step: i32) -> Self {
        let plain = |power: i32, sign| Self::Plain {
            power,
            sign,
            decimals: format
                .decimals
                .unwrap_or_else(|| usize::try_from(power - step).unwrap_or(0)),
        };
        let scientific = || Self::Scientific {
            decimals: format.decimals.unwrap_or_else(|| {
                usize::try_from(exponent(largest) - step)
                    .unwrap_or(0)
                    .min(17)
            }),
        };
        let short = || match largest {
            largest if largest >= 1e15 => scientific(),
            largest if largest >= 1e12 => plain(12, "T"),
            largest if largest >= 1e9 => plain(9, "B"),
            largest if largest >= 1e6 => plain(6, "M"),
            largest if largest >= 1e3 => plain(3, "k"),
            _ => plain(0, ""),
        };
        match format.style {
            NumberStyle::Percent => plain(-2, "%"),
            NumberStyle::Scientific => scientific(),
            NumberStyle::Short => short(),
            NumberStyle::Auto if largest > 0.0 && largest < 1e-4 => scientific(),
            // 1,234,567 and 1,234,568 aren't told apart by `1.234567M`.
            NumberStyle::Auto if largest >= 1e6 && (step >= 4 || largest >= 1e15) => short(),
            NumberStyle::Plain | NumberStyle::Auto => plain(0, ""),
        }
    }

    fn text(self, value: f64, format: &NumberFormat) -> String {
        let number = match self {
            Self::Plain {
                sign: "k" | "M" | "B" | "T",
                ..
            }
            | Self::Scientific { .. }
                if value == 0.0 =>
            {
                "0".to_owned()
            }
            Self::Plain {
                power,
                sign,
                decimals,
            } => {
                let value = match power {
                    0 => value.abs(),
                    1.. => value.abs() / ten_to(power),
                    _ => value.abs() * ten_to(-power),
                };
                format!("{}{sign}", grouped(&format!("{value:.decimals$}")))
            }
            Self::Scientific { decimals } => {
                let text = format!("{:.decimals$e}", value.abs());
                match text.split_once('e') {
                    Some((digits, power)) => {
                        let digits = if digits.contains('.') && format.decimals.is_none() {
                            digits.trim_end_matches('0').trim_end_matches('.')
                        } else {
                            digits
                        };
                        format!("{digits}×10{}", raised(power))
                    }
                    None => text,
                }
            }
        };
        let sign = if value < 0.0 && number.contains(|c: char| ('1'..='9').contains(&c)) {
            "−"
        } else {
            ""
        };
        format!("{sign}{}{number}{}", format.prefix, format.suffix)
    }
}

/// `1234567.5` as `1,234,567.5`.
fn grouped(digits: &str) -> String {
    let (whole, rest) = digits
        .find('.')
        .map_or((digits, ""), |at| digits.split_at(at));
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text.push_str(rest);
    text
}

fn raised(power: &str) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    power
        .chars()
        .map(|c| match c.to_digit(10) {
            Some(digit) => DIGITS[digit as usize],
            None => '⁻',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64) -> String {
        let ticks = Ticks::covering(low, high, 5.0);
        ticks.labels(&NumberFormat::default()).join(" ")
    }

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        for (low, high, expected) in [
            (0.0, 10.0, "0 2 4 6 8 10"),
            (
                60_123.0,
                64_890.0,
                "60,000 61,000 62,000 63,000 64,000 65,000",
            ),
            (-3.2, 4.1, "−4 −2 0 2 4 6"),
            (0.113, 0.135, "0.110 0.115 0.120 0.125 0.130 0.135"),
            (0.0, 0.3, "0.0 0.1 0.2 0.3"),
            (5.0, 5.0, "4.7 4.8 4.9 5.0 5.1 5.2 5.3"),
            (0.0, 0.0, "0.0 0.2 0.4 0.6 0.8 1.0"),
            (0.0, 5e6, "0 1M 2M 3M 4M 5M"),
            (
                1_234_567.0,
                1_234_569.0,
                "1,234,567.0 1,234,567.5 1,234,568.0 1,234,568.5 1,234,569.0",
            ),
            (0.0, 6.8e12, "0 2T 4T 6T 8T"),
            (1e-9, 7e-9, "0 2×10⁻⁹ 4×10⁻⁹ 6×10⁻⁹ 8×10⁻⁹"),
            (-1e308, 1e308, "−1×10³⁰⁰ −5×10²⁹⁹ 0 5×10²⁹⁹ 1×10³⁰⁰"),
            (1e-320, 2e-320, ""),
        ] {
            let found = labels(low, high);
            if !expected.is_empty() {
                assert_eq!(found, expected, "{low} to {high}");
            }
            let ticks = Ticks::covering(low, high, 5.0);
            assert!(ticks.values().len() < 12, "{low} to {high}");
        }
    }

    #[test]
    fn two_axes_share_a_grid() {
        let left = Ticks::covering(60_123.0, 64_890.0, 5.0);
        for (low, high) in [
            (0.0, 1.0),
            (0.02, 13.0),
            (-7.0, -1.0),
            (-3.0, 4.0),
            (5.0, 5.0),
        ] {
            let right = Ticks::covering_as(low, high, left);
            assert_eq!(right.values().len(), left.values().len(), "{low} to {high}");
            assert!(
                right.low() <= low && right.high() >= high,
                "{low} to {high}: {right:?}"
            );
        }
    }

    #[test]
    fn numbers_are_written_as_asked() {
        let with = |style, decimals, prefix: &str, suffix: &str| NumberFormat {
            style,
            decimals,
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
        };
        for (format, expected) in [
            (
                with(NumberStyle::Plain, Some(2), "$", ""),
                "−$2,000,000.00 $0.00 $2,000,000.00",
            ),
            (
                with(NumberStyle::Short, None, "", " USD"),
                "−2M USD 0 USD 2M USD",
            ),
            (
                with(NumberStyle::Scientific, None, "", ""),
                "−2×10⁶ 0 2×10⁶",
            ),
            (
                with(NumberStyle::Percent, None, "", ""),
                "−200,000,000% 0% 200,000,000%",
            ),
        ] {
            let ticks = Ticks::covering(-2e6, 2e6, 2.0);
            assert_eq!(ticks.labels(&format).join(" "), expected);
        }
    }
}
