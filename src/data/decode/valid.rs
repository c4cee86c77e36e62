//! Taking JSON apart that has been checked: no mistake can come up any more.

use std::borrow::Cow;
use std::ops::Range;

use crate::data::ColumnKind;
use crate::data::json::unquoted;

/// Calls `each` for every member of an object with the key in its quotes, for every item of an
/// array with its index, and for any other value once, with `value`; and with the place of the
/// value in the record.
pub(super) fn parts<'a>(record: &'a [u8], mut each: impl FnMut(Key<'a>, Range<usize>)) {
    let mut at = 1;
    match record.first() {
        Some(b'{') => loop {
            at = spaces(record, at);
            if record.get(at) != Some(&b'"') {
                return;
            }
            let end = value_end(record, at);
            let key = &record[at..end];
            // Behind the key and its colon.
            at = spaces(record, spaces(record, end) + 1);
            let end = value_end(record, at);
            each(Key::Name(key), at..end);
            // Behind the comma, or at the end.
            at = spaces(record, end) + 1;
        },
        Some(b'[') => {
            for index in 0.. {
                at = spaces(record, at);
                if at >= record.len() || record[at] == b']' {
                    return;
                }
                let end = value_end(record, at);
                each(Key::Index(index), at..end);
                at = spaces(record, end) + 1;
            }
        }
        _ => each(Key::Value, 0..record.len()),
    }
}

/// What a part of a record is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key<'a> {
    /// A key, in its quotes and with its escapes.
    Name(&'a [u8]),
    Index(usize),
    Value,
}

impl<'a> Key<'a> {
    /// As a column's name.
    pub(super) fn name(self) -> Cow<'a, str> {
        match self {
            Self::Name(raw) => unquoted(raw),
            Self::Index(index) => Cow::Owned(index.to_string()),
            Self::Value => Cow::Borrowed("value"),
        }
    }
}

fn spaces(json: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = json.get(at) {
        at += 1;
    }
    at
}

/// The end of the value that begins at `at`.
fn value_end(json: &[u8], at: usize) -> usize {
    match json.get(at) {
        Some(b'"') => text_end(json, at),
        Some(b'{' | b'[') => {
            let mut depth = 0;
            let mut here = at;
            while let Some(byte) = json.get(here) {
                match byte {
                    b'"' => {
                        here = text_end(json, here);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return here + 1;
                        }
                    }
                    _ => {}
                }
                here += 1;
            }
            json.len()
        }
        _ => {
            let end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
            let rest = json.get(at..).unwrap_or_default();
            at + rest.iter().position(end).unwrap_or(rest.len())
        }
    }
}

/// Behind the quote that ends the text whose quote stands at `at`.
fn text_end(json: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(found) = json
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
    {
        at += found;
        if json[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    json.len()
}

/// What a value is; `None` for `null`.
pub(super) fn kind(value: &[u8]) -> Option<ColumnKind> {
    match value.first() {
        Some(b'"') => Some(ColumnKind::Text),
        Some(b'{' | b'[') => Some(ColumnKind::Json),
        Some(b't' | b'f') => Some(ColumnKind::Boolean),
        Some(b'n') | None => None,
        Some(_) => Some(ColumnKind::Number),
    }
}

/// A value as the cell of a column: a column of JSON keeps the quotes of a text.
pub(super) fn cell(value: &[u8], column: ColumnKind) -> Option<Cow<'_, [u8]>> {
    match value.first() {
        Some(b'n') | None => None,
        Some(b'"') if column != ColumnKind::Json => Some(match unquoted(value) {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }),
        _ => Some(Cow::Borrowed(value)),
    }
}
