//! Documents built by hand, without a notation.

use runner::document::{Entry, Node, SourceId, Span, Spanned, Value};
use serde_json::Value as Json;

/// A tree of nodes and the text its spans lie in.
pub struct Document {
    pub node: Node,
    pub text: String,
}

impl Document {
    /// The document that a JSON value spells.
    pub fn new(json: &Json) -> Self {
        let mut text = String::new();
        let node = node(json, &mut text);
        Self { node, text }
    }

    /// The text that a span covers.
    pub fn at(&self, span: Span) -> &str {
        &self.text[span.range()]
    }
}

fn node(json: &Json, text: &mut String) -> Node {
    let start = text.len();
    let value = match json {
        Json::Null => plain("null", Value::Null, text),
        Json::Bool(value) => plain(&value.to_string(), Value::Bool(*value), text),
        Json::Number(digits) => {
            let digits = digits.to_string();
            plain(&digits, Value::Number(digits.as_str().into()), text)
        }
        Json::String(value) => plain(&json.to_string(), Value::Text(value.as_str().into()), text),
        Json::Array(items) => {
            text.push('[');
            let items = items
                .iter()
                .map(|item| {
                    let node = node(item, text);
                    text.push_str(", ");
                    node
                })
                .collect();
            text.push(']');
            Value::List(items)
        }
        Json::Object(entries) => {
            text.push_str("{ ");
            let entries = entries
                .iter()
                .map(|(key, value)| {
                    let start = text.len();
                    text.push_str(key);
                    let key = Spanned::new(key.as_str().into(), span(start..text.len()));
                    text.push_str(": ");
                    let value = node(value, text);
                    text.push_str(", ");
                    Entry { key, value }
                })
                .collect();
            text.push('}');
            Value::Map(entries)
        }
    };
    Node {
        value,
        span: span(start..text.len()),
    }
}

fn plain(spelled: &str, value: Value, text: &mut String) -> Value {
    text.push_str(spelled);
    value
}

fn span(range: std::ops::Range<usize>) -> Span {
    Span::new(SourceId(0), range)
}
