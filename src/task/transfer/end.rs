//! The two ends of a copy are rows of tables; here is what a row is, and how one is chosen.

use std::borrow::Cow;

use schemars::{Schema, json_schema};
use serde_json::Value as Json;

use crate::document::{
    Diagnostic, Entry, FromNode, Node, Report, Spanned, Value, correct_key, nearest, read_map,
};
use crate::task::Surroundings;

/// The kinds of connections that are databases.
pub(super) const DATABASES: &[&str] = &["postgres", "sqlite"];

/// The kinds of connections that are stores of files.
pub(super) const BUCKETS: &[&str] = &["bucket"];

/// A row of [`SOURCES`](super::source::SOURCES) or [`SINKS`](super::sink::SINKS): one thing that
/// records come from or go to.
pub(super) struct End<T: ?Sized> {
    /// A noun: `file`, `query`, `table`.
    pub(super) name: &'static str,
    /// One or a few sentences for the reference.
    pub(super) doc: &'static str,
    pub(super) selection: Selection,
    /// The shape of its map.
    pub(super) schema: fn() -> Schema,
    /// Reads and checks its map, and reports every mistake, unknown keys too. The connection that
    /// selected it exists and is of a right kind.
    pub(super) parse: fn(&Node, &mut Surroundings<'_>) -> Option<Box<T>>,
}

/// What in a `from` or a `to` says which row it is.
pub(super) struct Selection {
    /// It is on a connection of one of these kinds.
    pub(super) connections: &'static [&'static str],
    /// Its own keys, where several rows are on connections of one kind; the first of them is
    /// meant when there is none of these.
    pub(super) keys: &'static [&'static str],
    /// Any of these keys selects it where there is no `connection`.
    pub(super) alone: &'static [&'static str],
}

/// The schema of an end: a path, or the map of one of the rows.
pub(super) fn schema<T: ?Sized>(rows: &[&End<T>]) -> Schema {
    let mut shapes = vec![json_schema!({
        "type": "string",
        "description": "The path of a file, short for `{ file: … }`."
    })];
    for row in rows {
        let mut shape = (row.schema)();
        let object = shape.ensure_object();
        object.insert("title".to_owned(), row.name.into());
        object.insert("description".to_owned(), row.doc.into());
        shapes.push(shape);
    }
    json_schema!({ "anyOf": shapes })
}

/// Keeps an end for [`read`], if it's a map or a path.
pub(super) fn keep(node: &Node, report: &mut Report) -> Option<Node> {
    if !matches!(node.value, Value::Text(_) | Value::Map(_)) {
        report.expected("a map or the path of a file", node);
        return None;
    }
    Some(node.clone())
}

/// Reads an end with the row it belongs to. `word` is its key: `from`.
pub(super) fn read<T: ?Sized>(
    word: &str,
    rows: &[&End<T>],
    node: &Node,
    surroundings: &mut Surroundings<'_>,
) -> Option<Box<T>> {
    let node = match &node.value {
        Value::Text(_) => Cow::Owned(path_alone(node)),
        _ => Cow::Borrowed(node),
    };
    let mut entries = Cow::Borrowed(read_map(&node, surroundings.report)?);
    correct_selecting_key(word, rows, &mut entries, surroundings.report);
    let node = match entries {
        Cow::Borrowed(_) => node,
        Cow::Owned(entries) => Cow::Owned(Node {
            value: Value::Map(entries),
            span: node.span,
        }),
    };
    let row = choose(word, rows, &node, surroundings)?;
    let before = surroundings.report.diagnostics().len();
    let read = (row.parse)(&node, surroundings);
    name_owners(rows, row, &node, before, surroundings.report);
    read
}

/// `samples/x.csv` as `{ file: samples/x.csv }`.
fn path_alone(node: &Node) -> Node {
    let entry = Entry {
        key: Spanned::new("file".into(), node.span),
        value: node.clone(),
    };
    Node {
        value: Value::Map(vec![entry]),
        span: node.span,
    }
}

/// Without any key that selects a row, a misspelled one was meant to.
fn correct_selecting_key<T: ?Sized>(
    word: &str,
    rows: &[&End<T>],
    entries: &mut Cow<'_, [Entry]>,
    report: &mut Report,
) {
    let alone = rows.iter().flat_map(|row| row.selection.alone);
    let selecting: Vec<&str> = alone.copied().chain(["connection"]).collect();
    let is_there = |key: &&str| entries.iter().any(|entry| &*entry.key.value == *key);
    if selecting.iter().any(is_there) {
        return;
    }
    let known: Vec<String> = rows.iter().flat_map(|row| keys_of(row)).collect();
    let wrong = entries.iter().position(|entry| {
        let key = &*entry.key.value;
        !known.iter().any(|name| name == key) && nearest(key, selecting.iter().copied()).is_some()
    });
    let Some(at) = wrong else { return };
    let key = &entries[at].key;
    report.push(
        Diagnostic::error(
            "unknown-key",
            format!("unknown key `{}` in a `{word}`", key.value),
            key.span,
        )
        .suggest(&key.value, selecting.iter().copied(), "key"),
    );
    correct_key(entries, at, &selecting);
}

/// The row that a map selects.
fn choose<'a, T: ?Sized>(
    word: &str,
    rows: &[&'a End<T>],
    node: &Node,
    surroundings: &mut Surroundings<'_>,
) -> Option<&'a End<T>> {
    let has = |key: &&&str| node.get(key).is_some();
    let mut candidates: Vec<&End<T>> = rows.to_vec();
    let mut given: Vec<(&str, &End<T>)> = Vec::new();
    if let Some(connection) = node.get("connection") {
        let name: Spanned<String> = FromNode::from_node(connection, surroundings.report)?;
        let mut kinds: Vec<&str> = Vec::new();
        for kind in rows.iter().flat_map(|row| row.selection.connections) {
            if !kinds.contains(kind) {
                kinds.push(kind);
            }
        }
        surroundings.connection(&name, &kinds)?;
        let kind = surroundings.project.connection_kind(&name)?;
        candidates.retain(|row| row.selection.connections.contains(&kind));
        for row in &candidates {
            given.extend(row.selection.keys.iter().find(has).map(|key| (*key, *row)));
        }
        if given.is_empty() {
            return candidates.first().copied();
        }
    } else {
        for row in &candidates {
            given.extend(row.selection.alone.iter().find(has).map(|key| (*key, *row)));
        }
    }
    match given.as_slice() {
        [(_, row)] => Some(row),
        [] => {
            surroundings.report.push(selects_nothing(word, rows, node));
            None
        }
        several => {
            let names: Vec<String> = several.iter().map(|(key, _)| format!("`{key}`")).collect();
            surroundings.report.push(
                Diagnostic::error(
                    "conflicting-keys",
                    format!(
                        "a `{word}` is one thing, this one has {}",
                        names.join(" and ")
                    ),
                    node.span,
                )
                .label("leave one of them"),
            );
            None
        }
    }
}

fn selects_nothing<T: ?Sized>(word: &str, rows: &[&End<T>], node: &Node) -> Diagnostic {
    let keys = rows.iter().flat_map(|row| row.selection.keys);
    for key in keys {
        if node.get(key).is_some() {
            let message = format!("`{key}` needs `connection`");
            return Diagnostic::error("missing-key", message, node.span).label("add `connection:`");
        }
    }
    let mut ways: Vec<String> = Vec::new();
    for key in rows.iter().flat_map(|row| row.selection.alone) {
        ways.push(format!("`{key}:`"));
    }
    Diagnostic::error(
        "missing-key",
        format!("a `{word}` needs a place"),
        node.span,
    )
    .label(format!("add {} or `connection:`", ways.join(", ")))
}

/// Says of each unknown key which other row knows it.
fn name_owners<T: ?Sized>(
    rows: &[&End<T>],
    row: &End<T>,
    node: &Node,
    before: usize,
    report: &mut Report,
) {
    let entries = node.as_map().unwrap_or_default();
    report.revise(before, |diagnostic| {
        let entry = entries
            .iter()
            .find(|entry| entry.key.span == diagnostic.primary.span);
        let Some(entry) = entry.filter(|_| diagnostic.code == "unknown-key") else {
            return;
        };
        let key = &*entry.key.value;
        let owners: Vec<String> = rows
            .iter()
            .filter(|other| keys_of(other).iter().any(|known| known == key))
            .map(|other| format!("a {}", other.name))
            .collect();
        if !owners.is_empty() {
            diagnostic.primary.text =
                format!("belongs to {}, this is a {}", owners.join(" or "), row.name);
            diagnostic.help = None;
        }
    });
}

/// The keys that a row knows.
fn keys_of<T: ?Sized>(row: &End<T>) -> Vec<String> {
    match (row.schema)().get("properties") {
        Some(Json::Object(properties)) => properties.keys().cloned().collect(),
        _ => Vec::new(),
    }
}
