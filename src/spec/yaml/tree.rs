//! The tree that the YAML library reads a document into.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Location, Spanned as Located};

use crate::document::{Entry, Node, SourceId, Span, Spanned, Value};

/// A value as the library gives it.
/// Small, since a document may have a million: of the library's places only the bytes are kept.
pub(super) struct Tree {
    content: Content,
    start: u32,
    end: u32,
}

enum Content {
    Null,
    Bool(bool),
    /// As the library understood it; the digits are those of the text, where it was defined.
    Number(String, Range<usize>),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(Key, Tree)>),
}

impl Tree {
    /// The node, with texts from the document: a doubled key has another name in the copy that
    /// was read.
    pub(super) fn into_node(self, source: SourceId, text: &str) -> Node {
        let limit = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let place = |start: u32, end: u32| Span {
            source,
            start: start.min(limit),
            end: end.min(limit),
        };
        let span = place(self.start, self.end);
        let value = match self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(value),
            Content::Number(number, defined) => {
                let digits = text.get(defined);
                Value::Number(match digits.filter(|digits| is_json_number(digits)) {
                    Some(digits) => digits.into(),
                    None => number.into(),
                })
            }
            Content::Text(value) => Value::Text(value.into()),
            Content::List(items) => Value::List(
                items
                    .into_iter()
                    .map(|item| item.into_node(source, text))
                    .collect(),
            ),
            Content::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let span = place(key.start, key.end);
                        let written = text.get(span.range());
                        let name = match (key.name, written) {
                            // `null:` is a key like others.
                            (None, Some(written)) => written.to_owned(),
                            // A doubled key has another name in the copy that was read.
                            (Some(name), Some(written))
                                if name.starts_with(['~', '0', '1', '2', '3', '4']) =>
                            {
                                written.trim_matches(['"', '\'']).to_owned()
                            }
                            (name, _) => name.unwrap_or_default(),
                        };
                        Entry {
                            key: Spanned::new(name.into(), span),
                            value: value.into_node(source, text),
                        }
                    })
                    .collect(),
            ),
        };
        let span = match &value {
            Value::List(_) | Value::Map(_) => whole_in_braces(&value, span, text),
            _ => span,
        };
        Node { value, span }
    }
}

/// The span of a map or list in braces up to its end: the library gives the opening brace only.
/// A block has no extent.
fn whole_in_braces(value: &Value, span: Span, text: &str) -> Span {
    let bytes = text.as_bytes();
    let close = match bytes.get(span.range().start) {
        Some(b'{') => b'}',
        Some(b'[') => b']',
        _ => return span,
    };
    let last = match value {
        Value::List(items) => items.last().map(|item| item.span),
        Value::Map(entries) => entries.last().map(|entry| {
            let (key, value) = (entry.key.span, entry.value.span);
            if value.end > key.end { value } else { key }
        }),
        _ => None,
    };
    let mut at = last.map_or(span.range().start + 1, |last| last.range().end);
    while let Some(byte) = bytes.get(at) {
        match byte {
            byte if *byte == close => return Span::new(span.source, span.range().start..at + 1),
            b'#' if bytes[at - 1].is_ascii_whitespace() => {
                at += memchr::memchr(b'\n', &bytes[at..]).unwrap_or(bytes.len() - at);
            }
            b',' | b':' => at += 1,
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => break,
        }
    }
    span
}

fn is_json_number(text: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(text).is_ok()
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let located = Located::<Content>::deserialize(deserializer)?;
        let (start, end) = place_of(&located.referenced);
        let mut content = located.value;
        if let Content::Number(_, defined) = &mut content {
            *defined = bytes(&located.defined).unwrap_or(0..0);
        }
        Ok(Self {
            content,
            start,
            end,
        })
    }
}

fn place_of(location: &Location) -> (u32, u32) {
    let range = bytes(location).unwrap_or(0..0);
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    (offset(range.start), offset(range.end))
}

/// The bytes of a place, where the library knows them.
pub(super) fn bytes(location: &Location) -> Option<Range<usize>> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let length = usize::try_from(span.byte_len()?).ok()?;
    Some(start..start + length)
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

/// A key: its text, or `None` for a word that stands for something else as a value, such as `null`.
struct Key {
    name: Option<String>,
    start: u32,
    end: u32,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let located = Located::<KeyName>::deserialize(deserializer)?;
        let (start, end) = place_of(&located.referenced);
        Ok(Self {
            name: located.value.0,
            start,
            end,
        })
    }
}

struct KeyName(Option<String>);

impl<'de> Deserialize<'de> for KeyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = KeyName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("string scalar")
    }
    fn visit_str<E>(self, value: &str) -> Result<KeyName, E> {
        Ok(KeyName(Some(value.to_owned())))
    }
    fn visit_bool<E>(self, _: bool) -> Result<KeyName, E> {
        Ok(KeyName(None))
    }
    fn visit_i64<E>(self, _: i64) -> Result<KeyName, E> {
        Ok(KeyName(None))
    }
    fn visit_u64<E>(self, _: u64) -> Result<KeyName, E> {
        Ok(KeyName(None))
    }
    fn visit_i128<E>(self, _: i128) -> Result<KeyName, E> {
        Ok(KeyName(None))
    }
    fn visit_u128<E>(self, _: u128) -> Result<KeyName, E> {
        Ok(KeyName(None))
    }
    fn visit_f64<E>(self, _: f64) -> Result<KeyName, E> {
        Ok(KeyName(None))
    }
    fn visit_unit<E>(self) -> Result<KeyName, E> {
        Ok(KeyName(None))
    }
    fn visit_none<E>(self) -> Result<KeyName, E> {
        Ok(KeyName(None))
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Number(value.to_string(), 0..0))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Number(value.to_string(), 0..0))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Content, E> {
        Ok(Content::Number(value.to_string(), 0..0))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Content, E> {
        Ok(Content::Number(value.to_string(), 0..0))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Number(value.to_string(), 0..0))
    }
    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Text(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Content, E> {
        Ok(Content::Text(value))
    }
    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }
    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Content::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Content::Map(entries))
    }
}
