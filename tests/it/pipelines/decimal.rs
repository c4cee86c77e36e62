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
