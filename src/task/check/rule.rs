//! The rules as SQL: each gives the rows that break it.

use std::time::Duration;

use serde_json::Value as Json;

use super::definition::Severity;
use super::sql::{Query, Relation, quoted_path};
use crate::connection::Dialect;
use crate::document::Span;
use crate::model::Timestamp;
use crate::sqltext::quoted_identifier;
use crate::task::TaskFailure;
use crate::template::{Scope, TemplateValue};

/// A rule that can be looked at.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) severity: Severity,
    pub(super) kind: RuleKind,
    /// Where it stands, or its column.
    pub(super) place: Span,
}

/// What a rule says.
#[derive(Debug)]
pub(super) enum RuleKind {
    NotNull {
        column: String,
    },
    Unique {
        columns: Vec<String>,
    },
    Accepted {
        column: String,
        values: Vec<TemplateValue>,
    },
    Relationship {
        column: String,
        table: String,
        key: String,
    },
    Range {
        column: String,
        bounds: Bounds,
    },
    RowCount(Count),
    Freshness {
        column: String,
        max_age: Duration,
    },
    NoRows(Query),
}

/// Allowed values.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) min: Option<TemplateValue>,
    pub(super) max: Option<TemplateValue>,
    pub(super) above: Option<TemplateValue>,
    pub(super) below: Option<TemplateValue>,
}

/// Allowed numbers of rows.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) min: Option<TemplateValue>,
    pub(super) max: Option<TemplateValue>,
    pub(super) equals: Option<TemplateValue>,
}

/// What a rule is looked at with.
pub(super) struct Circumstances<'a> {
    pub(super) subject: &'a Relation,
    pub(super) dialect: Dialect,
    /// What values are found in. Without it they are NULL: the statement is only looked at.
    pub(super) scope: Option<&'a Scope>,
    /// What ages are counted back from.
    pub(super) time: Timestamp,
}

impl Circumstances<'_> {
    fn value(&self, value: &TemplateValue) -> Result<Json, TaskFailure> {
        match self.scope {
            Some(scope) => Ok(value.evaluate(scope)?),
            None => Ok(Json::Null),
        }
    }

    fn all(&self, values: &[TemplateValue]) -> Result<Vec<Json>, TaskFailure> {
        let mut found = Vec::new();
        for value in values {
            match self.value(value)? {
                // `values: ["{{ params.states }}"]` with a list.
                Json::Array(items) => found.extend(items),
                value => found.push(value),
            }
        }
        Ok(found)
    }
}

impl RuleKind {
    /// The rows that break it. For `row_count` it is all rows, which are counted only.
    pub(super) fn offending(&self, with: &Circumstances<'_>) -> Result<Relation, TaskFailure> {
        let subject = with.subject;
        Ok(match self {
            Self::NotNull { column } => {
                let column = own(column);
                subject.select(|from, _| format!("SELECT * FROM {from} WHERE {column} IS NULL"))
            }
            Self::Unique { columns } => {
                let columns: Vec<String> = columns.iter().map(|column| own(column)).collect();
                let known: Vec<String> = columns
                    .iter()
                    .map(|column| format!("{column} IS NOT NULL"))
                    .collect();
                let (columns, known) = (columns.join(", "), known.join(" AND "));
                subject.select(|from, _| {
                    format!(
                        "SELECT {columns}, count(*) AS \"rows\" FROM {from} WHERE {known} \
                         GROUP BY {columns} HAVING count(*) > 1"
                    )
                })
            }
            Self::Accepted { column, values } => {
                let column = own(column);
                let values = with.all(values)?;
                subject.select(|from, bind| {
                    let values: Vec<String> = values.into_iter().map(bind).collect();
                    let among = if values.is_empty() {
                        "true".to_owned()
                    } else {
                        format!("{column} NOT IN ({})", values.join(", "))
                    };
                    format!("SELECT * FROM {from} WHERE {column} IS NOT NULL AND {among}")
                })
            }
            Self::Relationship { column, table, key } => {
                let column = own(column);
                let (table, key) = (quoted_path(table), quoted_identifier(key));
                subject.select(|from, _| {
                    format!(
                        "SELECT * FROM {from} WHERE {column} IS NOT NULL AND NOT EXISTS \
                         (SELECT 1 FROM {table} AS other WHERE other.{key} = {column})"
                    )
                })
            }
            Self::Range { column, bounds } => {
                let column = own(column);
                let mut conditions = Vec::new();
                for (bound, operator) in [
                    (&bounds.min, "<"),
                    (&bounds.max, ">"),
                    (&bounds.above, "<="),
                    (&bounds.below, ">="),
                ] {
                    if let Some(bound) = bound {
                        conditions.push((operator, with.value(bound)?));
                    }
                }
                subject.select(|from, bind| {
                    let conditions: Vec<String> = conditions
                        .into_iter()
                        .map(|(operator, value)| format!("{column} {operator} {}", bind(value)))
                        .collect();
                    format!("SELECT * FROM {from} WHERE {}", conditions.join(" OR "))
                })
            }
            Self::RowCount(_) => subject.select(|from, _| format!("SELECT * FROM {from}")),
            Self::Freshness { column, max_age } => {
                let column = own(column);
                let oldest = chrono::TimeDelta::from_std(*max_age)
                    .ok()
                    .and_then(|age| with.time.checked_sub_signed(age))
                    .ok_or_else(|| TaskFailure::permanent("`max_age` leads out of the calendar"))?;
                let oldest = oldest.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
                let dialect = with.dialect;
                subject.select(|from, bind| {
                    let oldest = bind(Json::String(oldest));
                    let older = match dialect {
                        Dialect::Postgres => format!("max({column}) < {oldest}"),
                        Dialect::Sqlite => {
                            format!("julianday(max({column})) < julianday({oldest})")
                        }
                    };
                    format!(
                        "SELECT max({column}) AS newest FROM {from} \
                         HAVING max({column}) IS NULL OR {older}"
                    )
                })
            }
            Self::NoRows(query) => Relation::query(query, with.scope)?,
        })
    }

    /// The number of offending rows, as an expression over them.
    pub(super) fn count(&self) -> &'static str {
        match self {
            Self::Unique { .. } => "coalesce(sum(checked.\"rows\"), 0)",
            _ => "count(*)",
        }
    }
}

impl Count {
    /// What is wrong with this many rows.
    pub(super) fn broken_by(
        &self,
        rows: u64,
        with: &Circumstances<'_>,
    ) -> Result<Option<String>, TaskFailure> {
        let rows = i128::from(rows);
        for (bound, word) in [
            (&self.min, "at least"),
            (&self.max, "at most"),
            (&self.equals, "exactly"),
        ] {
            let Some(bound) = bound else { continue };
            let value = with.value(bound)?;
            let wanted = match &value {
                Json::Number(number) => number.to_string().parse::<i128>().ok(),
                Json::String(text) => text.trim().parse().ok(),
                _ => None,
            };
            let wanted = wanted.ok_or_else(|| {
                TaskFailure::permanent(format!("`row_count` needs a whole number, not {value}"))
            })?;
            let holds = match word {
                "at least" => rows >= wanted,
                "at most" => rows <= wanted,
                _ => rows == wanted,
            };
            if !holds {
                return Ok(Some(format!("expected {word} {wanted}")));
            }
        }
        Ok(None)
    }
}

/// A column of what is checked. Without its table SQLite would take an unknown name for a text.
fn own(column: &str) -> String {
    format!("checked.{}", quoted_identifier(column))
}
