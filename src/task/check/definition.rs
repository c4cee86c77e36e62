//! What the YAML says.

use std::sync::Arc;
use std::time::Duration;

use schemars::{Schema, json_schema};
use serde_json::{Map as JsonMap, Value as Json};

use super::rule::{Bounds, Count, Rule, RuleKind};
use super::sql::Query;
use crate::connection::{Dialect, KINDS};
use crate::document::{
    Diagnostic, Entry, FromNode, Node, OneOrMany, Report, Spanned, Value, read_map,
};
use crate::model::ConnectionId;
use crate::task::Surroundings;

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
        column: String,
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
        column: String,
        /// Counted back from the end of the run's data interval.
        max_age: Duration,
    }
}

/// One entry of `rules`, its kind's value not read yet.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleNode {
    kind: &'static str,
    value: Node,
    name: Option<String>,
    severity: Option<Severity>,
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

/// A checked task.
#[derive(Debug)]
pub struct Check {
    pub(super) connection: ConnectionId,
    pub(super) subject: Subject,
    pub(super) rules: Vec<Rule>,
}

/// What is checked.
#[derive(Debug)]
pub(super) enum Subject {
    Table(String),
    Query(Query),
}

pub(super) fn schema() -> Schema {
    Definition::schema()
}

pub(super) fn read(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Check> {
    let read = Definition::from_node(node, surroundings.report)?;
    let kinds: Vec<&str> = KINDS
        .iter()
        .map(|kind| kind.name)
        .filter(|name| matches!(*name, "postgres" | "sqlite"))
        .collect();
    let connection = surroundings.connection(&read.connection, &kinds);
    let dialect = surroundings
        .project
        .dialect(&read.connection)
        .unwrap_or(Dialect::Postgres);
    let subject = read_subject(&read, dialect, surroundings);
    if read.rules.is_empty() {
        surroundings.report.push(Diagnostic::error(
            "no-rules",
            "a check needs at least one rule",
            read.span,
        ));
        return None;
    }
    let rules: Vec<Option<Vec<Rule>>> = read
        .rules
        .iter()
        .map(|rule| {
            let kinds = read_rule(rule, dialect, surroundings)?;
            let severity = rule.severity.unwrap_or(read.severity);
            let named = kinds.into_iter().map(|(own, kind)| Rule {
                name: match &rule.name {
                    Some(name) => name.clone(),
                    None => own,
                },
                severity,
                kind,
            });
            Some(named.collect())
        })
        .collect();
    let rules: Option<Vec<Vec<Rule>>> = rules.into_iter().collect();
    Some(Check {
        connection: connection?,
        subject: subject?,
        rules: rules?.into_iter().flatten().collect(),
    })
}

fn read_subject(
    read: &Definition,
    dialect: Dialect,
    surroundings: &mut Surroundings<'_>,
) -> Option<Subject> {
    match (&read.table, &read.query) {
        (Some(table), None) => Some(Subject::Table(table.value.clone())),
        (None, Some(query)) => Query::read(query, dialect, surroundings).map(Subject::Query),
        (Some(_), Some(query)) => {
            surroundings.report.push(
                Diagnostic::error(
                    "two-subjects",
                    "`table` and `query` are both given",
                    query.span,
                )
                .label("remove one of them"),
            );
            None
        }
        (None, None) => {
            surroundings.report.push(
                Diagnostic::error(
                    "missing-key",
                    "a check task needs `table` or `query`",
                    read.span,
                )
                .label("add `table:`"),
            );
            None
        }
    }
}

/// The rules of one entry, each with the name it has by itself: columns are checked one by one.
fn read_rule(
    rule: &RuleNode,
    dialect: Dialect,
    surroundings: &mut Surroundings<'_>,
) -> Option<Vec<(String, RuleKind)>> {
    let node = &rule.value;
    let report = &mut *surroundings.report;
    let own = |column: &str| format!("{} {column}", rule.kind);
    match rule.kind {
        "not_null" => {
            let columns = columns(OneOrMany::from_node(node, report)?, node, report)?;
            let each = columns
                .into_iter()
                .map(|column| (own(&column), RuleKind::NotNull { column }));
            Some(each.collect())
        }
        "unique" => {
            let columns = columns(OneOrMany::from_node(node, report)?, node, report)?;
            Some(vec![(
                own(&columns.join(", ")),
                RuleKind::Unique { columns },
            )])
        }
        "accepted_values" => {
            let read = AcceptedValues::from_node(node, report)?;
            let columns = columns(read.columns, node, report)?;
            let values: Vec<_> = read
                .values
                .iter()
                .map(|value| surroundings.template_value(value))
                .collect();
            let values: Vec<_> = values.into_iter().collect::<Option<_>>()?;
            let each = columns.into_iter().map(|column| {
                let values = values.clone();
                (own(&column), RuleKind::Accepted { column, values })
            });
            Some(each.collect())
        }
        "relationship" => {
            let read = Relationship::from_node(node, report)?;
            let Some((table, key)) = read.to.rsplit_once('.') else {
                report.push(
                    Diagnostic::error(
                        "invalid-value",
                        format!("`{}` names no column", read.to.value),
                        read.to.span,
                    )
                    .label("expected `table.column`"),
                );
                return None;
            };
            let kind = RuleKind::Relationship {
                column: read.column.clone(),
                table: table.to_owned(),
                key: key.to_owned(),
            };
            Some(vec![(own(&read.column), kind)])
        }
        "range" => {
            let read = Range::from_node(node, report)?;
            let columns = columns(read.columns, node, report)?;
            let given = [&read.min, &read.max, &read.above, &read.below];
            if given.iter().all(|bound| bound.is_none()) {
                report.push(
                    Diagnostic::error("missing-key", "`range` needs a bound", node.span)
                        .label("add `min`, `max`, `above` or `below`"),
                );
                return None;
            }
            let mut bound = |node: &Option<Node>| match node {
                Some(node) => surroundings.template_value(node).map(Some),
                None => Some(None),
            };
            let bounds = Bounds {
                min: bound(&read.min)?,
                max: bound(&read.max)?,
                above: bound(&read.above)?,
                below: bound(&read.below)?,
            };
            let each = columns.into_iter().map(|column| {
                let bounds = bounds.clone();
                (own(&column), RuleKind::Range { column, bounds })
            });
            Some(each.collect())
        }
        "row_count" => read_row_count(node, surroundings)
            .map(|count| vec![("row_count".to_owned(), RuleKind::RowCount(count))]),
        "freshness" => {
            let read = Freshness::from_node(node, report)?;
            let kind = RuleKind::Freshness {
                column: read.column.clone(),
                max_age: read.max_age,
            };
            Some(vec![(own(&read.column), kind)])
        }
        _ => {
            let text = Spanned::<String>::from_node(node, report)?;
            let shown = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let shown: Arc<str> = shown.into();
            let query = Query::read(&text, dialect, surroundings)?;
            Some(vec![(
                format!("no_rows `{shown}`"),
                RuleKind::NoRows(query),
            )])
        }
    }
}

fn read_row_count(node: &Node, surroundings: &mut Surroundings<'_>) -> Option<Count> {
    if !matches!(node.value, Value::Map(_)) {
        let equals = surroundings.template_value(node)?;
        return Some(Count {
            equals: Some(equals),
            ..Count::default()
        });
    }
    let read = RowCount::from_node(node, surroundings.report)?;
    if read.min.is_none() && read.max.is_none() && read.equals.is_none() {
        surroundings.report.push(
            Diagnostic::error("missing-key", "`row_count` needs a bound", node.span)
                .label("add `min`, `max` or `equals`"),
        );
        return None;
    }
    let mut bound = |node: &Option<Node>| match node {
        Some(node) => surroundings.template_value(node).map(Some),
        None => Some(None),
    };
    Some(Count {
        min: bound(&read.min)?,
        max: bound(&read.max)?,
        equals: bound(&read.equals)?,
    })
}

fn columns(
    read: OneOrMany<Spanned<String>>,
    node: &Node,
    report: &mut Report,
) -> Option<Vec<String>> {
    if read.0.is_empty() {
        report.push(
            Diagnostic::error("missing-key", "a rule needs a column", node.span)
                .label("name one or several"),
        );
        return None;
    }
    Some(read.0.into_iter().map(|column| column.value).collect())
}
