//! Decimals as a person computes with them on paper.

use bigdecimal::{BigDecimal, RoundingMode};

/// The number of a text, an exponent included.
pub(super) fn number(text: &str) -> BigDecimal {
    text.parse()
        .unwrap_or_else(|_| panic!("`{text}` is no number"))
}

/// With so many digits after the point, a half away from zero, as PostgreSQL writes it.
pub(super) fn rounded(number: &BigDecimal, scale: i64) -> String {
    number
        .with_scale_round(scale, RoundingMode::HalfUp)
        .to_plain_string()
}

/// `dividend / divisor` to many more digits than are looked at.
pub(super) fn quotient(dividend: &BigDecimal, divisor: &BigDecimal) -> BigDecimal {
    const DIGITS: i64 = 60;
    let (above, above_scale) = dividend.as_bigint_and_exponent();
    let (below, below_scale) = divisor.as_bigint_and_exponent();
    let ten: bigdecimal::num_bigint::BigInt = 10.into();
    let more = ten.pow(u32::try_from(DIGITS + below_scale - above_scale).unwrap());
    BigDecimal::new(above * more / below, DIGITS)
}
