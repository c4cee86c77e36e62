//! What the YAML says.

use std::time::Duration;

use schemars::{Schema, json_schema};
use serde_json::{Map as JsonMap, Value as Json};

use crate::document::{Diagnostic, Entry, FromNode, Node, OneOrMany, Report, Spanned, read_map};

crate::choice! {
    /// How bad a broken rule is.
    pub enum Severity as "severity" {
        /// The task fails.
        Error = "error",
        /// The task says so, and succeeds.
        Warn = "warn",
    }
}

crate::record! {
    /// Checks the rows of a table or a query.
    pub struct Definition as "a check task" {
        /// The database.
        connection: Spanned<String>,
        /// `table` or `schema.table`.
        table: Option<Spanned<String>>,
        /// A query in place of `table`.
        query: Option<Spanned<String>>,
        /// What its rows must keep to.
        rules: Vec<RuleNode>,
        /// How bad a broken rule is, where the rule itself doesn't say.
        severity: Severity = "error" => Severity::Error,
    }
}

crate::record! {
    /// Allowed values.
    pub struct AcceptedValues as "`accepted_values`" {
        /// One column or several.
        columns: OneOrMany<Spanned<String>>,
        /// The values; NULL is always allowed.
        values: Vec<Node>,
    }
}

crate::record! {
    /// Values that another table has.
    pub struct Relationship as "`relationship`" {
        /// The column that refers.
        column: Spanned<String>,
        /// What it refers to: `table.column` or `schema.table.column`.
        to: Spanned<String>,
    }
}

crate::record! {
    /// Bounds of values: numbers, dates, texts.
    pub struct Range as "`range`" {
        /// One column or several.
        columns: OneOrMany<Spanned<String>>,
        /// The smallest allowed value.
        min: Option<Node>,
        /// The largest allowed value.
        max: Option<Node>,
        /// Values must be greater.
        above: Option<Node>,
        /// Values must be less.
        below: Option<Node>,
    }
}

crate::record! {
    /// How many rows there are.
    pub struct RowCount as "`row_count`" {
        /// At least so many.
        min: Option<Node>,
        /// At most so many.
        max: Option<Node>,
        /// Exactly so many.
        equals: Option<Node>,
    }
}

crate::record! {
    /// How old the newest row may be.
    pub struct Freshness as "`freshness`" {
        /// A column of times.
        column: Spanned<String>,
        /// Counted back from the end of the run's data interval.
        max_age: Duration,
    }
}

/// One entry of `rules`, its kind's value not read yet.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleNode {
    pub(super) kind: &'static str,
    pub(super) value: Node,
    pub(super) name: Option<String>,
    pub(super) severity: Option<Severity>,
}

type KindRow = (&'static str, fn() -> Schema);

/// The kinds of rules, with the shape of their values.
const RULES: &[KindRow] = &[
    ("not_null", OneOrMany::<String>::schema),
    ("unique", OneOrMany::<String>::schema),
    ("accepted_values", AcceptedValues::schema),
    ("relationship", Relationship::schema),
    ("range", Range::schema),
    (
        "row_count",
        || json_schema!({ "anyOf": [{ "type": ["integer", "string"] }, RowCount::schema()] }),
    ),
    ("freshness", Freshness::schema),
    ("no_rows", String::schema),
];

impl FromNode for RuleNode {
    fn from_node(node: &Node, report: &mut Report) -> Option<Self> {
        let entries = read_map(node, report)?;
        let mut known: Vec<&str> = RULES.iter().map(|(name, _)| *name).collect();
        let kinds: Vec<(&'static str, &Entry)> = RULES
            .iter()
            .filter_map(|(name, _)| {
                let entry = entries.iter().find(|entry| &*entry.key.value == *name)?;
                Some((*name, entry))
            })
            .collect();
        known.extend(["name", "severity"]);
        crate::document::refuse_unknown_keys(entries, &known, "a rule", report);
        let [(kind, entry)] = kinds.as_slice() else {
            if kinds.is_empty() {
                let all_known = entries
                    .iter()
                    .all(|entry| known.contains(&&*entry.key.value));
                if all_known {
                    report.push(
                        Diagnostic::error("missing-key", "a rule needs its kind", node.span)
                            .help(format!("one of {}", backticked(&known[..RULES.len()]))),
                    );
                }
            } else {
                let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
                report.push(
                    Diagnostic::error(
                        "two-kinds",
                        format!("a rule has one kind, not {}", backticked(&names)),
                        node.span,
                    )
                    .help("begin each rule with a `-` of its own"),
                );
            }
            return None;
        };
        let optional = |key: &str| entries.iter().find(|entry| &*entry.key.value == key);
        let name = optional("name").map(|entry| String::from_node(&entry.value, report));
        let severity = optional("severity").map(|entry| Severity::from_node(&entry.value, report));
        Some(Self {
            kind,
            value: entry.value.clone(),
            name: match name {
                Some(name) => Some(name?),
                None => None,
            },
            severity: match severity {
                Some(severity) => Some(severity?),
                None => None,
            },
        })
    }

    fn schema() -> Schema {
        let rules: Vec<Json> = RULES
            .iter()
            .map(|(name, schema)| {
                let mut properties = JsonMap::new();
                properties.insert((*name).to_owned(), schema().to_value());
                properties.insert("name".to_owned(), String::schema().to_value());
                properties.insert("severity".to_owned(), Severity::schema().to_value());
                serde_json::json!({
                    "type": "object",
                    "properties": properties,
                    "required": [name],
                    "additionalProperties": false,
                })
            })
            .collect();
        json_schema!({ "anyOf": rules })
    }
}

fn backticked(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

pub(super) fn schema() -> Schema {
    Definition::schema()
}
