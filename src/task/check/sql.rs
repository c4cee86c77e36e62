//! Queries in rules, and putting SQL together.

use serde_json::Value as Json;

use crate::connection::{Dialect, Statement};
use crate::document::{Diagnostic, Map, Spanned};
use crate::sqltext::quoted_identifier;
use crate::task::script::{Checked, Frame, Given};
use crate::task::{Surroundings, TaskFailure};
use crate::template::Scope;

/// A query with values to bind.
#[derive(Debug)]
pub(super) struct Query(pub(super) Checked);

impl Query {
    /// Checks that it is one statement that gives rows, its syntax, and its names.
    pub(super) fn read(
        text: &Spanned<String>,
        key: &'static str,
        dialect: Dialect,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Self> {
        let given = Given {
            file: None,
            text: Some(text),
            key,
            span: text.span,
            what: "a check task",
            at: "check",
        };
        let checked = given.check(&Map::default(), Some(dialect), Frame::None, surroundings)?;
        let message = match checked.code.script.statements.as_slice() {
            [only] if only.nature.gives_rows => return Some(Self(checked)),
            [_] => "expected a query: a statement that gives rows",
            _ => "expected one query",
        };
        let wrong = Diagnostic::error("no-query", message, text.span);
        surroundings.report.push(wrong);
        None
    }

    fn filled(&self, scope: Option<&Scope>) -> Result<(String, Vec<Json>), TaskFailure> {
        let none = || TaskFailure::permanent("the query has no statement");
        let Some(scope) = scope else {
            let script = &self.0.code.script;
            let statement = script.statements.first().ok_or_else(none)?;
            let unknown = |_: &str| Err(TaskFailure::permanent("a name is known only in a run"));
            let positional = script.positional(statement, unknown)?;
            let values = vec![Json::Null; positional.bound.len()];
            return Ok((positional.sql.into_text(), values));
        };
        let prepared = self.0.prepare(scope)?;
        let ready = prepared.statements.into_iter().next().ok_or_else(none)?;
        Ok((ready.statement.text, ready.statement.values))
    }
}

/// SQL that is put together, with its values.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    /// What stands behind FROM.
    from: String,
    values: Vec<Json>,
}

impl Relation {
    pub(super) fn table(name: &str) -> Self {
        Self {
            from: quoted_path(name),
            values: Vec::new(),
        }
    }

    /// `scope` is what the query's values are found in; they are NULL without it.
    pub(super) fn query(query: &Query, scope: Option<&Scope>) -> Result<Self, TaskFailure> {
        let (text, values) = query.filled(scope)?;
        Ok(Self {
            from: format!("(\n{text}\n)"),
            values,
        })
    }

    /// A query over it: `build` gets what stands behind FROM and a way to bind values.
    pub(super) fn select(
        &self,
        build: impl FnOnce(&str, &mut dyn FnMut(Json) -> String) -> String,
    ) -> Self {
        let mut values = self.values.clone();
        let text = build(&format!("{} AS checked", self.from), &mut |value| {
            values.push(value);
            format!("${}", values.len())
        });
        Self {
            from: format!("({text})"),
            values,
        }
    }

    /// `head` with it behind FROM, and `tail`.
    pub(super) fn statement(&self, head: &str, tail: &str) -> Statement {
        Statement {
            text: format!("SELECT {head} FROM {} AS checked {tail}", self.from),
            values: self.values.clone(),
        }
    }
}

/// `schema.table` as quoted identifiers.
pub(super) fn quoted_path(name: &str) -> String {
    let parts: Vec<String> = name.splitn(2, '.').map(quoted_identifier).collect();
    parts.join(".")
}
