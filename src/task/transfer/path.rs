//! Paths into records: `last`, `market.name`, `c[0]`.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// A way into a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// As it was written; a column may have this very name.
    pub(super) text: String,
    /// The first is a column's name.
    pub(super) steps: Vec<Step>,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The value of a key; in a list, digits are an index from 0.
    Key(String),
    /// The value at an index, from 0.
    Index(usize),
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("`{text}` is no path: {what}"));
        let mut steps = Vec::new();
        // A record that is a list has columns named by its indexes: `[0]` is column `0`.
        let spelled = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((index, rest)) if is_index(index) => format!("{index}{rest}"),
            _ => text.to_owned(),
        };
        for part in spelled.split('.') {
            let (key, indexes) = match part.find('[') {
                Some(at) => part.split_at(at),
                None => (part, ""),
            };
            if key.trim().is_empty() {
                return wrong("a name is missing");
            }
            steps.push(Step::Key(key.trim().to_owned()));
            let mut rest = indexes;
            while !rest.is_empty() {
                let inner = rest
                    .strip_prefix('[')
                    .and_then(|rest| rest.split_once(']'))
                    .and_then(|(digits, after)| Some((digits.parse().ok()?, after)));
                let Some((index, after)) = inner else {
                    return wrong("expected `[0]`, an index from 0");
                };
                steps.push(Step::Index(index));
                rest = after;
            }
        }
        Ok(Self {
            text: text.to_owned(),
            steps,
        })
    }

    /// The name of the column it begins with.
    pub(super) fn root(&self) -> &str {
        match self.steps.first() {
            Some(Step::Key(name)) => name,
            _ => "",
        }
    }
}

fn is_index(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Follows steps into a JSON value; `None` where a key or an index is missing.
///
/// # Errors
/// A value in the middle has no parts.
pub(super) fn follow<'a>(json: &'a str, steps: &[Step]) -> Result<Option<&'a RawValue>, String> {
    let Ok(mut value) = serde_json::from_str::<&'a RawValue>(json) else {
        return Err("is no JSON".to_owned());
    };
    for step in steps {
        let text = value.get();
        let next = match text.as_bytes().first() {
            Some(b'{') => match step {
                Step::Key(key) => find_key(text, key),
                Step::Index(_) => return Err("is a map, not a list".to_owned()),
            },
            Some(b'[') => match step {
                Step::Index(index) => find_index(text, *index),
                Step::Key(key) => match key.parse() {
                    Ok(index) => find_index(text, index),
                    Err(_) => return Err(format!("is a list: it has no key `{key}`")),
                },
            },
            Some(b'n') => None,
            _ => {
                return Err(match step {
                    Step::Key(part) => format!("has no part `{part}`"),
                    Step::Index(_) => "has no parts".to_owned(),
                });
            }
        };
        match next {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

fn find_key<'a>(json: &'a str, key: &str) -> Option<&'a RawValue> {
    let entries: Entries<'a> = serde_json::from_str(json).ok()?;
    // Of a doubled key the last one counts, as everywhere in JSON.
    let found = entries.0.into_iter().rev().find(|(name, _)| name == key);
    found.map(|(_, value)| value)
}

fn find_index(json: &str, index: usize) -> Option<&RawValue> {
    let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    items.get(index).copied()
}

/// The entries of an object, unparsed.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Entries<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    entries.push((key, map.next_value::<&'de RawValue>()?));
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Visitor).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str =
        r#"{"name": "x", "deep": {"a.b": 1, "list": [1.50, {"k": null}]}, "twice": 1, "twice": 2}"#;

    #[test]
    fn paths_lead_to_values() {
        for (path, expected) in [
            ("r.name", Ok(Some("\"x\""))),
            ("r.deep.list[0]", Ok(Some("1.50"))),
            ("r.deep.list.0", Ok(Some("1.50"))),
            ("r.deep.list[1].k", Ok(Some("null"))),
            ("r.deep.list[7]", Ok(None)),
            ("r.nothing.below", Ok(None)),
            ("r.twice", Ok(Some("2"))),
            ("r.name.x", Err("has no part `x`".to_owned())),
            ("r.deep[0]", Err("is a map, not a list".to_owned())),
            (
                "r.deep.list.k",
                Err("is a list: it has no key `k`".to_owned()),
            ),
        ] {
            let path = Path::parse(path).unwrap();
            assert_eq!(path.root(), "r");
            let found = follow(RECORD, &path.steps[1..]);
            let found = found.map(|value| value.map(RawValue::get));
            assert_eq!(found, expected, "{path:?}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "a..b", "a[x]", "a[", "[x]", "[]", "a[0"] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }
}
