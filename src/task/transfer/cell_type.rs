//! Types that are declared in a mapping.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde::de::IgnoredAny;

use crate::data::ColumnKind;

crate::choice! {
    /// What the values of a column must be.
    pub enum CellType as "type" {
        /// Anything.
        Text = "text",
        /// Digits with a sign.
        Integer = "integer",
        /// A decimal number, with all its digits.
        Numeric = "numeric",
        /// A number, `NaN` or `Infinity`.
        Float = "float",
        /// `true` or `false`; `t`, `yes`, `y`, `on`, `1` and their opposites are understood.
        Boolean = "boolean",
        /// A day: `2020-08-20`.
        Date = "date",
        /// A time, with an offset from UTC or without: `2020-08-20 10:00:00.5+00`.
        Timestamp = "timestamp",
        /// JSON text.
        Json = "json",
    }
}

impl CellType {
    /// The kind of a column of this type.
    pub(super) fn kind(self) -> ColumnKind {
        match self {
            Self::Integer | Self::Numeric | Self::Float => ColumnKind::Number,
            Self::Boolean => ColumnKind::Boolean,
            Self::Json => ColumnKind::Json,
            Self::Text | Self::Date | Self::Timestamp => ColumnKind::Text,
        }
    }

    /// The text as a value of this type; `None` when it isn't one.
    pub(super) fn read(self, text: &str) -> Option<Cow<'_, str>> {
        let trimmed = text.trim();
        let fits = match self {
            Self::Text => return Some(Cow::Borrowed(text)),
            Self::Integer => {
                let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
            }
            Self::Numeric => is_decimal(trimmed),
            Self::Float => {
                is_decimal(trimmed)
                    || ["nan", "infinity", "-infinity", "inf", "-inf"]
                        .contains(&trimmed.to_ascii_lowercase().as_str())
            }
            Self::Boolean => {
                return match trimmed.to_ascii_lowercase().as_str() {
                    "true" | "t" | "yes" | "y" | "on" | "1" => Some(Cow::Borrowed("true")),
                    "false" | "f" | "no" | "n" | "off" | "0" => Some(Cow::Borrowed("false")),
                    _ => None,
                };
            }
            Self::Date => trimmed.parse::<NaiveDate>().is_ok(),
            Self::Timestamp => is_timestamp(trimmed),
            Self::Json => serde_json::from_str::<IgnoredAny>(trimmed).is_ok(),
        };
        // A number in JSON has no plus.
        let number = matches!(self, Self::Integer | Self::Numeric | Self::Float);
        let kept = match trimmed.strip_prefix('+') {
            Some(rest) if number => rest,
            _ => trimmed,
        };
        fits.then_some(Cow::Borrowed(kept))
    }
}

fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    whole.len() + fraction.len() > 0 && digits(whole) && digits(fraction) && exponent_fits
}

/// ISO 8601 with a `T` or a space, seconds and fractions of them or none; an offset may be `Z`,
/// `+00`, `+0000` or `+00:00`.
fn is_timestamp(text: &str) -> bool {
    const LOCAL: [&str; 4] = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ];
    LOCAL.iter().any(|format| {
        NaiveDateTime::parse_from_str(text, format).is_ok()
            || DateTime::parse_from_str(text, &format!("{format}%#z")).is_ok()
    }) || text.parse::<NaiveDate>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_their_types_or_not() {
        use CellType::{Boolean, Date, Float, Integer, Json, Numeric, Text, Timestamp};
        for (r#type, text, expected) in [
            (Text, " x ", Some(" x ")),
            (Integer, " +12 ", Some("12")),
            (Integer, "1.0", None),
            (Integer, "", None),
            (Numeric, "-0.10e-3", Some("-0.10e-3")),
            (Numeric, ".5", Some(".5")),
            (Numeric, "1,5", None),
            (Numeric, "NaN", None),
            (Numeric, ".", None),
            (Float, "NaN", Some("NaN")),
            (Boolean, "Yes", Some("true")),
            (Boolean, "maybe", None),
            (Date, "2020-08-20", Some("2020-08-20")),
            (Date, "2020-13-20", None),
            (
                Timestamp,
                "2020-01-02 19:55:43.341+00",
                Some("2020-01-02 19:55:43.341+00"),
            ),
            (
                Timestamp,
                "2020-01-02T19:55:43Z",
                Some("2020-01-02T19:55:43Z"),
            ),
            (
                Timestamp,
                "2020-01-02 19:55:43.123456",
                Some("2020-01-02 19:55:43.123456"),
            ),
            (Timestamp, "2020-01-02 25:00", None),
            (Json, "{\"a\": 1}", Some("{\"a\": 1}")),
            (Json, "{", None),
        ] {
            assert_eq!(r#type.read(text).as_deref(), expected, "{type:?} {text:?}");
        }
    }
}
