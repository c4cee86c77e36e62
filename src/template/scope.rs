//! The values that a template sees.

use std::collections::BTreeMap;

use minijinja::Value;
use serde_json::{Number, Value as Json};

/// Named values. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    values: BTreeMap<String, Value>,
    /// The values with numbers in them that a float may not hold.
    exact: BTreeMap<String, Json>,
}

impl Scope {
    /// The scope with one more name; an earlier value of the same name is replaced.
    #[must_use]
    pub fn with(mut self, name: &str, value: &Json) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a name.
    pub fn set(&mut self, name: &str, value: &Json) {
        if let Some(slot) = self.values.get_mut(name) {
            *slot = from_json(value);
        } else {
            self.values.insert(name.to_owned(), from_json(value));
        }
        if has_fractions(value) {
            self.exact.insert(name.to_owned(), value.clone());
        } else if !self.exact.is_empty() {
            self.exact.remove(name);
        }
    }

    /// The value of a name; undefined when there is none.
    pub(super) fn get(&self, name: &str) -> Value {
        self.values.get(name).cloned().unwrap_or_default()
    }

    /// The value of a name when it has numbers that a float may not hold.
    pub(super) fn exact(&self, name: &str) -> Option<&Json> {
        self.exact.get(name)
    }

    pub(super) fn to_value(&self) -> Value {
        Value::from_pairs(
            self.values
                .iter()
                .map(|(name, value)| (name.as_str(), value.clone())),
        )
    }
}

fn has_fractions(json: &Json) -> bool {
    match json {
        Json::Number(number) => number.as_i128().is_none(),
        Json::Array(items) => items.iter().any(has_fractions),
        Json::Object(entries) => entries.values().any(has_fractions),
        _ => false,
    }
}

pub(super) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => from_number(number),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(from_json).collect::<Vec<_>>().into(),
        Json::Object(entries) => Value::from_pairs(
            entries
                .iter()
                .map(|(key, value)| (key.as_str(), from_json(value))),
        ),
    }
}

fn from_number(number: &Number) -> Value {
    if let Some(value) = number.as_i64() {
        return Value::from(value);
    }
    if let Some(value) = number.as_u64() {
        return Value::from(value);
    }
    if let Some(value) = number.as_i128() {
        return Value::from(value);
    }
    Value::from(number.as_f64().unwrap_or(f64::NAN))
}

/// A template's value as JSON. Undefined becomes `null`; strictness has refused it before.
pub(super) fn to_json(value: &Value) -> Json {
    serde_json::to_value(value).unwrap_or(Json::Null)
}
