//! From what the YAML says to rules that can be looked at.

use std::sync::Arc;

use super::definition::{
    AcceptedValues, Definition, Freshness, Range, Relationship, RowCount, RuleNode,
};
use super::rule::{Bounds, Count, Rule, RuleKind};
use super::sql::Query;
use crate::connection::{Dialect, KINDS};
use crate::document::{Diagnostic, FromNode as _, Node, OneOrMany, Report, Span, Spanned, Value};
use crate::model::ConnectionId;
use crate::task::Surroundings;

/// A checked task.
#[derive(Debug)]
pub struct Check {
    pub(super) connection: ConnectionId,
    pub(super) dialect: Dialect,
    pub(super) subject: Subject,
    pub(super) rules: Vec<Rule>,
}

/// What is checked.
#[derive(Debug)]
pub(super) enum Subject {
    Table(Spanned<String>),
    Query(Query),
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
            let named = kinds.into_iter().map(|(own, place, kind)| Rule {
                place,
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
        dialect,
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
        (Some(table), None) => Some(Subject::Table(table.clone())),
        (None, Some(query)) => {
            Query::read(query, "query", dialect, surroundings).map(Subject::Query)
        }
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

/// The rules of one entry, each with the name it has by itself and where it stands: columns are
/// checked one by one.
fn read_rule(
    rule: &RuleNode,
    dialect: Dialect,
    surroundings: &mut Surroundings<'_>,
) -> Option<Vec<(String, Span, RuleKind)>> {
    let node = &rule.value;
    let report = &mut *surroundings.report;
    let own = |column: &str| format!("{} {column}", rule.kind);
    match rule.kind {
        "not_null" => {
            let columns = columns(OneOrMany::from_node(node, report)?, node, report)?;
            let each = columns.into_iter().map(
                |Spanned {
                     value: column,
                     span,
                 }| { (own(&column), span, RuleKind::NotNull { column }) },
            );
            Some(each.collect())
        }
        "unique" => {
            let columns = columns(OneOrMany::from_node(node, report)?, node, report)?;
            let columns: Vec<String> = columns.into_iter().map(|column| column.value).collect();
            Some(vec![(
                own(&columns.join(", ")),
                node.span,
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
            let each = columns.into_iter().map(
                |Spanned {
                     value: column,
                     span,
                 }| {
                    let values = values.clone();
                    (own(&column), span, RuleKind::Accepted { column, values })
                },
            );
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
                column: read.column.value.clone(),
                table: table.to_owned(),
                key: key.to_owned(),
            };
            Some(vec![(own(&read.column), node.span, kind)])
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
            let each = columns.into_iter().map(
                |Spanned {
                     value: column,
                     span,
                 }| {
                    let bounds = bounds.clone();
                    (own(&column), span, RuleKind::Range { column, bounds })
                },
            );
            Some(each.collect())
        }
        "row_count" => read_row_count(node, surroundings)
            .map(|count| vec![("row_count".to_owned(), node.span, RuleKind::RowCount(count))]),
        "freshness" => {
            let read = Freshness::from_node(node, report)?;
            let kind = RuleKind::Freshness {
                column: read.column.value.clone(),
                max_age: read.max_age,
            };
            Some(vec![(own(&read.column), read.column.span, kind)])
        }
        _ => {
            let text = Spanned::<String>::from_node(node, report)?;
            let shown = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let shown: Arc<str> = shown.into();
            let query = Query::read(&text, "no_rows", dialect, surroundings)?;
            Some(vec![(
                format!("no_rows `{shown}`"),
                text.span,
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
) -> Option<Vec<Spanned<String>>> {
    if read.0.is_empty() {
        report.push(
            Diagnostic::error("missing-key", "a rule needs a column", node.span)
                .label("name one or several"),
        );
        return None;
    }
    Some(read.0)
}
