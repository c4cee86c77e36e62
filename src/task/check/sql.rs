//! Queries in rules, and putting SQL together.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::connection::{Dialect, Statement};
use crate::document::{Diagnostic, Spanned};
use crate::sqltext::{HoleKind, Mistake, Script, check_syntax, quoted_identifier};
use crate::task::{Surroundings, TaskFailure};
use crate::template::{Scope, Template};

/// A query with values to bind.
#[derive(Debug)]
pub(super) struct Query {
    script: Script,
    fillings: Vec<Template>,
}

impl Query {
    /// Checks that it is one statement that gives rows, its syntax, and its names.
    pub(super) fn read(
        text: &Spanned<String>,
        dialect: Dialect,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Self> {
        let before = surroundings.report.diagnostics().len();
        let script = Script::parse(&Arc::from(text.value.as_str()), dialect);
        let mut mistakes = script.mistakes.clone();
        if mistakes.is_empty() {
            mistakes = check_syntax(&script);
        }
        let one = |message: &str| Mistake {
            code: "no-query",
            message: message.to_owned(),
            range: 0..text.value.len(),
            help: None,
        };
        match script.statements.as_slice() {
            [only] if only.nature.gives_rows => {}
            [_] => mistakes.push(one("expected a query: a statement that gives rows")),
            _ => mistakes.push(one("expected one query")),
        }
        for mistake in mistakes {
            let place = surroundings.place(text, mistake.range);
            surroundings
                .report
                .push(Diagnostic::error(mistake.code, mistake.message, place));
        }
        let statement = script.statements.first()?;
        let fillings: Vec<Option<Template>> = statement
            .holes
            .iter()
            .map(|hole| {
                let place = surroundings.place(text, hole.range.clone());
                match &hole.kind {
                    HoleKind::Expression(_) => {
                        let own = script.text[hole.range.clone()].to_owned();
                        surroundings.template(&Spanned::new(own, place))
                    }
                    HoleKind::Value(name) | HoleKind::Identifier(name) => {
                        if surroundings.params.contains(name) {
                            return Template::expression(&format!("params[{name:?}]")).ok();
                        }
                        let known = surroundings.params.iter().map(String::as_str);
                        let message = format!("parameter `:{name}` doesn't exist");
                        let diagnostic = Diagnostic::error("unknown-param", message, place)
                            .suggest(name, known, "parameter");
                        surroundings.report.push(diagnostic);
                        None
                    }
                }
            })
            .collect();
        let fillings = fillings.into_iter().collect::<Option<_>>()?;
        let sound = surroundings.report.diagnostics().len() == before;
        sound.then_some(Self { script, fillings })
    }

    fn filled(&self, scope: &Scope) -> Result<(String, Vec<Json>), TaskFailure> {
        let Some(statement) = self.script.statements.first() else {
            return Err(TaskFailure::permanent("the query has no statement"));
        };
        let values: Vec<Json> = self
            .fillings
            .iter()
            .map(|template| template.evaluate(scope))
            .collect::<Result<_, _>>()?;
        let identifier = |name: &str| {
            let at = statement.holes.iter().position(
                |hole| matches!(&hole.kind, HoleKind::Identifier(other) if other == name),
            );
            match at.and_then(|at| values.get(at)) {
                Some(Json::String(text)) => Ok(text.clone()),
                _ => Err(TaskFailure::permanent(format!(
                    "`:\"{name}\"` must be a name"
                ))),
            }
        };
        let positional = self.script.positional(statement, identifier)?;
        let bound = positional.bound.iter().filter_map(|at| values.get(*at));
        let bound = bound.cloned().collect();
        Ok((positional.sql.into_text(), bound))
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

    pub(super) fn query(query: &Query, scope: &Scope) -> Result<Self, TaskFailure> {
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
