//! A JSON value as a cell, with the digits of numbers as they are.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::data::ColumnKind;

/// A JSON value as it goes into a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell<'a> {
    /// `None` is `null`.
    pub text: Option<Cow<'a, str>>,
    /// What the value is; `None` for `null`.
    pub kind: Option<ColumnKind>,
}

impl<'a> Cell<'a> {
    /// The cell of a value: the characters of a text, the notation of everything else.
    #[must_use]
    pub fn of(value: &'a RawValue) -> Self {
        let text = value.get();
        let (text, kind) = match text.as_bytes().first() {
            Some(b'"') => (unquoted(text), ColumnKind::Text),
            Some(b'{' | b'[') => (Cow::Borrowed(text), ColumnKind::Json),
            Some(b't' | b'f') => (Cow::Borrowed(text), ColumnKind::Boolean),
            Some(b'n') | None => {
                return Self {
                    text: None,
                    kind: None,
                };
            }
            Some(_) => (Cow::Borrowed(text), ColumnKind::Number),
        };
        Self {
            text: Some(text),
            kind: Some(kind),
        }
    }

    /// The cell of a value in a column of a kind: a column of JSON keeps the quotes of a text.
    #[must_use]
    pub fn in_column(value: &'a RawValue, kind: ColumnKind) -> Option<Cow<'a, str>> {
        match Self::of(value) {
            Self { text: None, .. } => None,
            _ if kind == ColumnKind::Json => Some(Cow::Borrowed(value.get())),
            Self { text, .. } => text,
        }
    }
}

fn unquoted(text: &str) -> Cow<'_, str> {
    let inner = &text[1..text.len() - 1];
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Cow::Borrowed(inner);
    }
    // A lone surrogate (`"\ud800"`) is JSON, but no text: its notation is kept.
    serde_json::from_str(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The kind of a column that holds values of both kinds.
#[must_use]
pub fn join_kinds(a: ColumnKind, b: ColumnKind) -> ColumnKind {
    match (a, b) {
        _ if a == b => a,
        (ColumnKind::Json, _) | (_, ColumnKind::Json) => ColumnKind::Json,
        _ => ColumnKind::Text,
    }
}

/// Whether a text is a number in JSON's notation.
#[must_use]
pub fn is_number(text: &[u8]) -> bool {
    fn digits(text: &[u8]) -> usize {
        text.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = &fraction[count..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', exponent @ ..] => exponent,
            _ => exponent,
        };
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_json_numbers() {
        for text in [
            "0",
            "-1",
            "12.50",
            "1e5",
            "1E-7",
            "0.1",
            "123456789012345678901",
        ] {
            assert!(is_number(text.as_bytes()), "{text}");
        }
        for text in [
            "", "-", "01", "1.", ".5", "1e", "NaN", "+1", "1 ", "0x1", "1e+",
        ] {
            assert!(!is_number(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn values_become_cells() {
        for (json, text, kind) in [
            ("null", None, None),
            (r#""a\n\"é""#, Some("a\n\"é"), Some(ColumnKind::Text)),
            ("1.2300", Some("1.2300"), Some(ColumnKind::Number)),
            ("true", Some("true"), Some(ColumnKind::Boolean)),
            (
                r#"{"a": 1.0}"#,
                Some(r#"{"a": 1.0}"#),
                Some(ColumnKind::Json),
            ),
            (r#""\ud800""#, Some(r#""\ud800""#), Some(ColumnKind::Text)),
        ] {
            let value: &RawValue = serde_json::from_str(json).unwrap();
            let cell = Cell::of(value);
            assert_eq!((cell.text.as_deref(), cell.kind), (text, kind), "{json}");
        }
    }
}
