//! Reading typed values out of nodes, collecting every mistake on the way.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::num::NonZeroU32;

use schemars::{Schema, json_schema};

use super::{Diagnostic, Entry, Node, Span, Spanned, Value, nearest};

/// Collects mistakes while values are read.
#[derive(Debug, Default)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
    /// The records in which a stand-in has the place of a value.
    mended: BTreeSet<Span>,
}

impl Report {
    /// Adds a mistake, unless it says that something is missing in a record that has it, with a
    /// mistake in it.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if diagnostic.code != "missing-key" || !self.is_mended(diagnostic.primary.span) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Whether a value of the record at a place has mistakes, and a stand-in for it was read: what
    /// follows from the stand-in is no mistake of a person.
    #[must_use]
    pub fn is_mended(&self, record: Span) -> bool {
        self.mended.contains(&record)
    }

    /// All that was found, in the order it was found.
    #[must_use]
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    /// All that was found so far.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether so much was found that looking for the nearest of many names takes too long.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.diagnostics.len() > 100
    }

    /// Changes what was found so far, such as a place that is known better now.
    pub fn revise(&mut self, from: usize, change: impl FnMut(&mut Diagnostic)) {
        self.diagnostics.iter_mut().skip(from).for_each(change);
    }

    /// "expected …, found …" at a node.
    pub fn expected(&mut self, what: &str, node: &Node) {
        // A text may be a secret from the environment: it isn't repeated.
        let found = match &node.value {
            Value::Number(digits) => format!("`{digits}`"),
            Value::Bool(value) => format!("`{value}`"),
            _ => node.kind().to_owned(),
        };
        let mut diagnostic = Diagnostic::error(
            "wrong-type",
            format!("expected {what}, found {found}"),
            node.span,
        )
        .label(format!("expected {what}"));
        if matches!(node.value, Value::Number(_) | Value::Bool(_)) && what.contains("text") {
            diagnostic = diagnostic.help("put it in quotes to make it a text");
        }
        self.push(diagnostic);
    }
}

/// A value that can be read from a node and describes itself as JSON Schema.
pub trait FromNode: Sized {
    /// Reads the value; on a mistake reports it and gives `None`.
    fn from_node(node: &Node, report: &mut Report) -> Option<Self>;

    /// The shape it accepts.
    fn schema() -> Schema;

    /// The value when the key is absent; `None` when the key is required.
    fn absent() -> Option<Self> {
        None
    }

    /// Takes the place of a value that has mistakes, which have been reported, so that what stands
    /// beside it can be read on; `None` when there is nothing to read on without it.
    fn stand_in() -> Option<Self> {
        Self::absent()
    }
}

impl<T: FromNode> FromNode for Option<T> {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        if node.value == Value::Null {
            return Some(None);
        }
        T::from_node(node, report).map(Some)
    }
    fn schema() -> Schema {
        T::schema()
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromNode> FromNode for Box<T> {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        T::from_node(node, report).map(Box::new)
    }
    fn schema() -> Schema {
        T::schema()
    }
    fn stand_in() -> Option<Self> {
        T::stand_in().map(Box::new)
    }
}

impl<T: FromNode> FromNode for Spanned<T> {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        T::from_node(node, report).map(|value| Self::new(value, node.span))
    }
    fn schema() -> Schema {
        T::schema()
    }
}

impl FromNode for Node {
    fn from_node(node: &Node, _: &mut Report) -> Option<Self> {
        Some(node.clone())
    }
    fn schema() -> Schema {
        json_schema!(true)
    }
}

impl FromNode for String {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let text = node.as_text();
        if text.is_none() {
            report.expected("a text", node);
        }
        text.map(str::to_owned)
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl FromNode for bool {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let Value::Bool(value) = node.value else {
            report.expected("true or false", node);
            return None;
        };
        Some(value)
    }
    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

macro_rules! whole_number {
    ($($type:ty: $what:literal, $minimum:expr);* $(;)?) => {$(
        impl FromNode for $type {
            fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
                if let Value::Number(digits) = &node.value
                    && let Ok(value) = digits.parse()
                {
                    return Some(value);
                }
                report.expected($what, node);
                None
            }
            fn schema() -> Schema {
                let minimum: Option<i64> = $minimum;
                match minimum {
                    Some(minimum) => json_schema!({ "type": "integer", "minimum": minimum }),
                    None => json_schema!({ "type": "integer" }),
                }
            }
        }
    )*};
}

whole_number! {
    u32: "a whole number from 0", Some(0);
    u64: "a whole number from 0", Some(0);
    i32: "a whole number", None;
    NonZeroU32: "a whole number from 1", Some(1);
}

impl FromNode for f64 {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        if let Value::Number(digits) = &node.value
            && let Ok(value) = digits.parse()
        {
            return Some(value);
        }
        report.expected("a number", node);
        None
    }
    fn schema() -> Schema {
        json_schema!({ "type": "number" })
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let Value::List(items) = &node.value else {
            report.expected("a list", node);
            return None;
        };
        let read: Vec<Option<T>> = items
            .iter()
            .map(|item| T::from_node(item, report))
            .collect();
        read.into_iter().collect()
    }
    fn schema() -> Schema {
        json_schema!({ "type": "array", "items": T::schema() })
    }
}

/// One value or a list of them: `needs: fetch` or `needs: [fetch, check]`.
#[derive(Debug, Clone, PartialEq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T: FromNode> FromNode for OneOrMany<T> {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        if matches!(node.value, Value::List(_)) {
            return Vec::from_node(node, report).map(Self);
        }
        T::from_node(node, report).map(|value| Self(vec![value]))
    }
    fn schema() -> Schema {
        json_schema!({ "anyOf": [T::schema(), { "type": "array", "items": T::schema() }] })
    }
    fn absent() -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

/// A map of names to values, in the order of the document.
#[derive(Debug, Clone, PartialEq)]
pub struct Map<T>(pub Vec<(Spanned<String>, T)>);

impl<T> Default for Map<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromNode> FromNode for Map<T> {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let entries = read_map(node, report)?;
        let read: Vec<Option<(Spanned<String>, T)>> = entries
            .iter()
            .map(|entry| {
                let key = entry.key.clone().map(String::from);
                T::from_node(&entry.value, report).map(|value| (key, value))
            })
            .collect();
        read.into_iter().collect::<Option<_>>().map(Self)
    }
    fn schema() -> Schema {
        json_schema!({ "type": "object", "additionalProperties": T::schema() })
    }
    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

/// The entries of a map node; anything else is reported.
pub fn read_map<'a>(node: &'a Node, report: &mut Report) -> Option<&'a [Entry]> {
    let entries = node.as_map();
    if entries.is_none() {
        report.expected("a map", node);
    }
    entries
}

/// Reports every key of a map that isn't in `known`. `what` is the thing the map describes, with
/// its article: "a task". Gives the entries with each such key replaced by the nearest known one,
/// so that one slip of the pen isn't also a missing key and an unread value.
pub fn refuse_unknown_keys<'a>(
    entries: &'a [Entry],
    known: &[&'static str],
    what: &str,
    report: &mut Report,
) -> Cow<'a, [Entry]> {
    let mut corrected = Cow::Borrowed(entries);
    for (at, entry) in entries.iter().enumerate() {
        let key = &*entry.key.value;
        if known.contains(&key) {
            continue;
        }
        report.push(
            Diagnostic::error(
                "unknown-key",
                format!("unknown key `{key}` in {what}"),
                entry.key.span,
            )
            .suggest(key, known.iter().copied(), "key"),
        );
        correct_key(&mut corrected, at, known);
    }
    corrected
}

/// Replaces an unknown key by the nearest known one that the map doesn't have.
pub fn correct_key(entries: &mut Cow<'_, [Entry]>, at: usize, known: &[&str]) {
    let Some(near) = nearest(&entries[at].key.value, known.iter().copied()) else {
        return;
    };
    if entries.iter().all(|entry| &*entry.key.value != near) {
        entries.to_mut()[at].key.value = near.into();
    }
}

/// Reads one field of a record; called by [`record!`](crate::record). A value that has mistakes is
/// replaced by its stand-in.
pub fn read_field<T: FromNode>(
    entries: &[Entry],
    name: &str,
    default: Option<fn() -> T>,
    record: (&str, Span),
    report: &mut Report,
) -> Option<T> {
    let (what, span) = record;
    let absent = || default.map_or_else(T::absent, |default| Some(default()));
    let value = match entries.iter().find(|entry| &*entry.key.value == name) {
        // `key:` with nothing behind it counts as left out, where that is possible.
        Some(entry) if entry.value.value == Value::Null => {
            absent().or_else(|| read_named(name, &entry.value, report))
        }
        Some(entry) => read_named(name, &entry.value, report),
        None => {
            let value = absent();
            if value.is_none() {
                report.push(
                    Diagnostic::error("missing-key", format!("{what} needs `{name}`"), span)
                        .label(format!("add `{name}:`")),
                );
            }
            value
        }
    };
    if value.is_none() {
        let value = default.map_or_else(T::stand_in, |default| Some(default()))?;
        report.mended.insert(span);
        return Some(value);
    }
    value
}

/// Reads a key's value; a mistake that is of the value as a whole says the key.
fn read_named<T: FromNode>(name: &str, node: &Node, report: &mut Report) -> Option<T> {
    let before = report.diagnostics.len();
    let value = T::from_node(node, report);
    for diagnostic in &mut report.diagnostics[before..] {
        if diagnostic.code == "wrong-type"
            && diagnostic.primary.span == node.span
            && diagnostic.message.starts_with("expected ")
        {
            diagnostic.message.insert_str(0, &format!("`{name}`: "));
        }
    }
    value
}
