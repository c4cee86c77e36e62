//! Decimals: the only kind of number here.

use std::fmt;

use serde_json::{Number, Value};

/// `units` × 10^-`scale`. Written with all its digits: `12.50` stays `12.50`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    units: i128,
    scale: u32,
}

/// The parts that a share is counted in.
pub(super) const BILLION: i128 = 1_000_000_000;

impl Decimal {
    /// `units` × 10^-`scale`.
    pub(super) const fn new(units: i128, scale: u32) -> Self {
        Self { units, scale }
    }

    /// A whole number.
    pub(super) const fn whole(units: i128) -> Self {
        Self::new(units, 0)
    }

    /// The number of units of the last digit.
    pub(super) fn units(self) -> i128 {
        self.units
    }

    /// The same with so many digits after the point; a half is rounded away from zero.
    pub(super) fn to_scale(self, scale: u32) -> Self {
        let units = if scale >= self.scale {
            self.units * 10_i128.pow(scale - self.scale)
        } else {
            divide(self.units, 10_i128.pow(self.scale - scale))
        };
        Self { units, scale }
    }

    /// The same with at most so many digits that count, and no more than `most` after the point.
    pub(super) fn to_digits(self, digits: u32, most: u32) -> Self {
        let length = self
            .units
            .unsigned_abs()
            .checked_ilog10()
            .map_or(0, |log| log + 1);
        let scale = (self.scale + digits).saturating_sub(length).min(most);
        self.to_scale(scale)
    }

    /// The sum, with the digits of the longer one.
    pub(super) fn plus(self, other: Self) -> Self {
        let scale = self.scale.max(other.scale);
        Self::new(
            self.to_scale(scale).units + other.to_scale(scale).units,
            scale,
        )
    }

    /// The product with 18 digits after the point at most.
    pub(super) fn times(self, other: Self) -> Self {
        let scale = self.scale + other.scale;
        Self::new(self.units * other.units, scale).to_scale(scale.min(18))
    }

    /// The quotient with so many digits after the point. The divisor isn't 0.
    pub(super) fn over(self, other: Self, scale: u32) -> Self {
        let (up, down) = (scale + other.scale, self.scale);
        let more = 10_i128.pow(up.saturating_sub(down));
        let less = 10_i128.pow(down.saturating_sub(up));
        Self::new(divide(self.units * more, other.units * less), scale)
    }

    /// A part in billions of it more, or less.
    pub(super) fn moved(self, billionths: i128) -> Self {
        Self::new(
            divide(self.units * (BILLION + billionths), BILLION),
            self.scale,
        )
    }

    /// Without zeros at the end, as most APIs write numbers.
    pub(super) fn trimmed(self) -> Self {
        let Self {
            mut units,
            mut scale,
        } = self;
        while scale > 0 && units % 10 == 0 {
            units /= 10;
            scale -= 1;
        }
        Self { units, scale }
    }

    /// As a JSON number, without zeros at the end. Small ones have an exponent, as many programs
    /// write them: `1.486e-05`.
    pub(super) fn number(self) -> Value {
        let trimmed = self.trimmed();
        let small = trimmed.units != 0
            && trimmed.scale > 4
            && trimmed.units.unsigned_abs() < 10_u128.pow(trimmed.scale - 4);
        let text = if small {
            let digits = trimmed.units.unsigned_abs().to_string();
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            let sign = if trimmed.units < 0 { "-" } else { "" };
            let exponent = trimmed.scale as usize + 1 - digits.len();
            format!("{sign}{first}{point}{rest}e-{exponent:02}")
        } else {
            trimmed.to_string()
        };
        text.parse::<Number>().map_or(Value::Null, Value::Number)
    }

    /// As a JSON text, with all its digits.
    pub(super) fn text(self) -> Value {
        Value::String(self.to_string())
    }
}

/// The quotient, a half rounded away from zero.
fn divide(dividend: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    if rest.unsigned_abs() * 2 < divisor.unsigned_abs() {
        return quotient;
    }
    quotient + dividend.signum() * divisor.signum()
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let digits = self.units.unsigned_abs().to_string();
        let scale = self.scale as usize;
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    #[test]
    fn digits_are_kept_and_rounded_as_by_hand() {
        let text = |units, scale| Decimal::new(units, scale).to_string();
        assert_eq!(text(1250, 2), "12.50");
        assert_eq!(text(-5, 3), "-0.005");
        assert_eq!(text(7, 0), "7");
        let rounded = |units, scale, to| Decimal::new(units, scale).to_scale(to).to_string();
        assert_eq!(rounded(125, 2, 1), "1.3");
        assert_eq!(rounded(-125, 2, 1), "-1.3");
        assert_eq!(rounded(124, 2, 1), "1.2");
        assert_eq!(rounded(1, 0, 2), "1.00");
        let digits = Decimal::new(123_456_789, 3);
        assert_eq!(digits.to_digits(7, 9).to_string(), "123456.8");
        assert_eq!(digits.to_digits(4, 9).to_string(), "123457");
        assert_eq!(digits.to_digits(30, 4).to_string(), "123456.7890");
    }

    #[test]
    fn arithmetic_is_exact() {
        let (a, b) = (Decimal::new(12, 1), Decimal::new(5, 2));
        assert_eq!(a.plus(b).to_string(), "1.25");
        assert_eq!(a.times(b).to_string(), "0.060");
        assert_eq!(a.over(b, 3).to_string(), "24.000");
        assert_eq!(
            Decimal::whole(2).over(Decimal::whole(3), 4).to_string(),
            "0.6667"
        );
        assert_eq!(Decimal::whole(100).moved(10_000_000).to_string(), "101");
    }

    #[test]
    fn json_numbers_are_written_as_apis_write_them() {
        let number = |units, scale| Decimal::new(units, scale).number().to_string();
        assert_eq!(number(1250, 2), "12.5");
        assert_eq!(number(1486, 8), "1.486e-05");
        assert_eq!(number(-1, 7), "-1e-07");
        assert_eq!(number(12, 5), "0.00012");
        assert_eq!(number(0, 8), "0");
    }
}
