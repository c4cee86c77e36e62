//! The tree.

use super::{Span, Spanned};

/// A value of a document and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Value,
    pub span: Span,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// A number in JSON's notation, with the digits of the document.
    Number(Box<str>),
    Text(Box<str>),
    List(Vec<Node>),
    /// Entries in the order of the document; the reader of the notation has refused doubles.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: Spanned<Box<str>>,
    pub value: Node,
}

impl Node {
    /// The kind of value, for messages: "a list", "a text".
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The text of a text node.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a map node.
    #[must_use]
    pub fn as_map(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value under `key` of a map node.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let entry = self
            .as_map()?
            .iter()
            .find(|entry| &*entry.key.value == key)?;
        Some(&entry.value)
    }

    /// The same value as JSON, numbers with their digits.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(digits) => {
                serde_json::from_str(digits).unwrap_or_else(|_| Json::String(digits.to_string()))
            }
            Value::Text(text) => Json::String(text.to_string()),
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Map(entries) => Json::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.to_string(), entry.value.to_json()))
                    .collect(),
            ),
        }
    }
}
