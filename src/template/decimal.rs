//! Decimals: what expressions over records compute with.

use std::borrow::Cow;

use bigdecimal::num_bigint::Sign;
use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive as _, Zero as _};
use minijinja::machinery::ast::BinOpKind;
use minijinja::{Error, ErrorKind};
use serde_json::{Number, Value as Json};

/// Significant digits of a quotient that has no end: those of IEEE 754's decimal128.
const QUOTIENT_DIGITS: u64 = 34;
/// The largest power of ten, up or down, that is computed with; beyond it lie mistakes and attacks.
pub(super) const LARGEST_EXPONENT: i64 = 10_000;
/// The largest exponent of `**`.
const LARGEST_POWER: i64 = 1_000;

pub(super) fn sign_of(operator: BinOpKind) -> &'static str {
    match operator {
        BinOpKind::Add => "+",
        BinOpKind::Sub => "-",
        BinOpKind::Mul => "*",
        BinOpKind::Div => "/",
        BinOpKind::FloorDiv => "//",
        BinOpKind::Rem => "%",
        _ => "**",
    }
}

pub(super) fn computed(
    operator: BinOpKind,
    a: BigDecimal,
    b: BigDecimal,
) -> Result<BigDecimal, Error> {
    let failed = |message: &str| Error::new(ErrorKind::InvalidOperation, message.to_owned());
    let divides = matches!(
        operator,
        BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem
    );
    if divides && b.is_zero() {
        return Err(failed("division by zero"));
    }
    let floor = |a: &BigDecimal, b: &BigDecimal| (a / b).with_scale_round(0, RoundingMode::Floor);
    let found = match operator {
        BinOpKind::Add => a + b,
        BinOpKind::Sub => a - b,
        BinOpKind::Mul => a * b,
        BinOpKind::Div => {
            let quotient = a / b;
            if quotient.digits() > QUOTIENT_DIGITS {
                quotient.with_prec(QUOTIENT_DIGITS)
            } else {
                quotient
            }
        }
        BinOpKind::FloorDiv => floor(&a, &b),
        BinOpKind::Rem => {
            // As Python's: the sign is the divisor's.
            let remainder = &a % &b;
            if !remainder.is_zero()
                && (remainder.sign() == Sign::Minus) != (b.sign() == Sign::Minus)
            {
                remainder + b
            } else {
                remainder
            }
        }
        _ => {
            let exponent = b
                .to_i64()
                .filter(|exponent| b.is_integer() && exponent.abs() <= LARGEST_POWER)
                .ok_or_else(|| failed("the exponent must be a whole number up to 1000"))?;
            if exponent < 0 && a.is_zero() {
                return Err(failed("division by zero"));
            }
            a.powi(exponent)
        }
    };
    bounded(found)
}

/// Refuses numbers that only take memory.
pub(super) fn bounded(number: BigDecimal) -> Result<BigDecimal, Error> {
    let (_, scale) = number.as_bigint_and_scale();
    let size = scale.checked_abs().unwrap_or(i64::MAX);
    if size > LARGEST_EXPONENT || number.digits() > LARGEST_EXPONENT.unsigned_abs() {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "the number has more than 10000 digits",
        ));
    }
    Ok(number)
}

/// Whole numbers stay whole; others are as near as a float can be.
pub(super) fn to_plain_json(number: &BigDecimal) -> Json {
    let text = plain(number);
    if let Ok(whole) = text.parse::<i64>() {
        return Json::from(whole);
    }
    text.parse::<f64>().map_or(Json::Null, Json::from)
}

/// The digits without an exponent and without zeros at the end of the fraction.
pub(super) fn plain(number: &BigDecimal) -> Cow<'static, str> {
    if number.is_zero() {
        return Cow::Borrowed("0");
    }
    Cow::Owned(number.normalized().to_plain_string())
}

pub(super) fn to_number(number: &BigDecimal) -> Number {
    Number::from_string_unchecked(plain(number).into_owned())
}
