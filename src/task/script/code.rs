//! Checking a script, and filling it in.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::connection::{Dialect, Statement};
use crate::document::{Diagnostic, SourceId, Span, Spanned, nearest};
use crate::sqltext::{
    HoleKind, Mistake, Positional, Script, ScriptStatement, Transaction as Nature, check_syntax,
};
use crate::task::surroundings::place_of;
use crate::task::{Log, Rendered, Surroundings, TaskFailure};
use crate::template::{Scope, Template, TemplateValue};

/// A script before its dialect is known.
pub(in crate::task) struct Unparsed {
    pub(super) name: String,
    pub(super) text: Arc<str>,
    pub(super) home: Home,
}

/// A script and where it stands.
#[derive(Debug)]
pub struct SqlCode {
    pub script: Script,
    /// As errors name it: `sql/migration.sql`.
    pub name: String,
    home: Home,
}

/// Where its diagnostics stand.
#[derive(Debug)]
pub(in crate::task) enum Home {
    File(SourceId),
    Inline {
        text: Spanned<String>,
        /// The whole document it stands in.
        spelled: Option<Arc<str>>,
    },
}

/// Where the value of a hole comes from.
#[derive(Debug, Clone)]
pub(in crate::task) enum Filling {
    Template(Template),
    Param(TemplateValue),
}

impl Filling {
    fn evaluate(&self, scope: &Scope) -> Result<Json, TaskFailure> {
        Ok(match self {
            Self::Template(template) => template.evaluate(scope)?,
            Self::Param(value) => value.evaluate(scope)?,
        })
    }
}

/// A statement ready to be sent.
pub(in crate::task) struct Ready<'a> {
    pub(in crate::task) statement: Statement,
    pub(in crate::task) positional: Positional,
    pub(in crate::task) part: &'a ScriptStatement,
}

impl Ready<'_> {
    /// As it is sent, with the values that are bound.
    pub(in crate::task) fn rendered(&self, connection: &str) -> Rendered {
        let mut rendered = Rendered::new("sql", connection, &self.statement.text);
        let bound = self.positional.bound.iter().zip(&self.statement.values);
        for (number, (hole, value)) in (1..).zip(bound) {
            let name = match self.part.holes.get(*hole).map(|hole| &hole.kind) {
                Some(HoleKind::Value(name)) => format!("${number} :{name}"),
                _ => format!("${number}"),
            };
            let text = match value {
                Json::String(text) => text.clone(),
                Json::Null => "NULL".to_owned(),
                other => other.to_string(),
            };
            rendered = rendered.with(name, text);
        }
        rendered
    }
}

impl Prepared<'_> {
    /// Keeps its statements as they are about to be sent.
    pub(in crate::task) fn keep(&self, log: &Log, connection: &str) {
        for ready in &self.statements {
            log.rendered(|| ready.rendered(connection));
        }
    }
}

/// A script ready to be sent.
pub(in crate::task) struct Prepared<'a> {
    pub(in crate::task) code: &'a SqlCode,
    pub(in crate::task) statements: Vec<Ready<'a>>,
    /// The statement whose rows are the task's dataset.
    pub(in crate::task) dataset: Option<usize>,
}

/// A script that was checked, and what fills its holes.
#[derive(Debug)]
pub(in crate::task) struct Checked {
    pub(in crate::task) code: SqlCode,
    /// How each hole of each statement is filled, in the order of the script.
    fillings: Vec<Vec<Filling>>,
}

/// What a script may do with transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) enum Frame {
    /// It is in one, and can't be otherwise.
    One,
    /// It is in one, because nobody said `transaction: none`.
    OneByChoice,
    /// Each statement is sent by itself.
    None,
}

impl Checked {
    /// Checks a script. Without a dialect it is read as PostgreSQL's, and nothing more.
    pub(in crate::task) fn read(
        code: Unparsed,
        dialect: Option<Dialect>,
        params: &[(String, TemplateValue)],
        frame: Frame,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Self> {
        let code = SqlCode {
            script: Script::parse(&code.text, dialect.unwrap_or(Dialect::Postgres)),
            name: code.name,
            home: code.home,
        };
        // Without its connection the dialect is a guess.
        dialect?;
        let fillings = code.check(params, frame, surroundings)?;
        Some(Self { code, fillings })
    }

    /// Evaluates everything that is put in, before anything is sent.
    pub(in crate::task) fn prepare(&self, scope: &Scope) -> Result<Prepared<'_>, TaskFailure> {
        let parts = &self.code.script.statements;
        let mut statements = Vec::with_capacity(parts.len());
        for (part, fillings) in parts.iter().zip(&self.fillings) {
            let values: Vec<Json> = fillings
                .iter()
                .map(|filling| filling.evaluate(scope))
                .collect::<Result<_, _>>()?;
            let identifier = |name: &str| {
                let at = part.holes.iter().position(
                    |hole| matches!(&hole.kind, HoleKind::Identifier(other) if other == name),
                );
                match at.and_then(|at| values.get(at)) {
                    Some(Json::String(text)) if !text.is_empty() => Ok(text.clone()),
                    other => Err(TaskFailure::permanent(format!(
                        "`:\"{name}\"` must be a name, but it is {}",
                        other.unwrap_or(&Json::Null)
                    ))),
                }
            };
            let positional = self.code.script.positional(part, identifier)?;
            let bound = positional.bound.iter().filter_map(|at| values.get(*at));
            statements.push(Ready {
                statement: Statement {
                    text: positional.sql.text().to_owned(),
                    values: bound.cloned().collect(),
                },
                positional,
                part,
            });
        }
        Ok(Prepared {
            code: &self.code,
            dataset: parts.iter().rposition(|part| part.nature.gives_rows),
            statements,
        })
    }
}

impl SqlCode {
    /// Reports everything that can be known before a run, and finds what fills each hole.
    fn check(
        &self,
        params: &[(String, TemplateValue)],
        frame: Frame,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Vec<Vec<Filling>>> {
        let before = surroundings.report.diagnostics().len();
        for mistake in &self.script.mistakes {
            self.report(mistake, surroundings);
        }
        let wrong = if self.script.mistakes.is_empty() {
            check_syntax(&self.script)
        } else {
            Vec::new()
        };
        for mistake in &wrong {
            self.report(mistake, surroundings);
        }
        let statements = &self.script.statements;
        let fillings: Vec<Option<Vec<Filling>>> = statements
            .iter()
            .map(|statement| {
                // What can't be read has no nature.
                let range = &statement.range;
                if !wrong
                    .iter()
                    .any(|w| (range.start..=range.end).contains(&w.range.start))
                {
                    self.check_nature(statement, frame, surroundings);
                }
                self.fill(statement, params, surroundings)
            })
            .collect();
        if statements.is_empty() && self.script.mistakes.is_empty() {
            self.report(
                &Mistake {
                    code: "sql-empty",
                    message: format!("`{}` has no statement", self.name),
                    range: 0..0,
                    help: None,
                },
                surroundings,
            );
        }
        let failed = surroundings.report.diagnostics().len() > before;
        fillings
            .into_iter()
            .collect::<Option<_>>()
            .filter(|_| !failed)
    }

    fn check_nature(
        &self,
        statement: &ScriptStatement,
        frame: Frame,
        surroundings: &mut Surroundings<'_>,
    ) {
        let nature = &statement.nature;
        let name = nature.name.to_uppercase();
        let mut found = Vec::new();
        if frame != Frame::None {
            match nature.transaction {
                Nature::Inside => {}
                Nature::Control => found.push((
                    "sql-transaction",
                    format!("`{name}` has no place here: the script is one transaction already"),
                    match frame {
                        Frame::OneByChoice => {
                            "leave it out, or say `transaction: none`; then the script is at-least-once"
                        }
                        _ => "leave it out",
                    },
                )),
                Nature::Alone => found.push((
                    "sql-not-in-transaction",
                    format!("`{name}` can't be in a transaction, and the script is one"),
                    match frame {
                        Frame::OneByChoice => {
                            "put it into a task of its own with `transaction: none`"
                        }
                        _ => "put it into a `sql` task of its own with `transaction: none`",
                    },
                )),
            }
        }
        if nature.writes_output {
            found.push((
                "sql-copy-out",
                "the output of `COPY … TO STDOUT` has nowhere to go".to_owned(),
                "a `copy` task writes a query's rows into a file",
            ));
        }
        let bound = |hole: &&crate::sqltext::Hole| !matches!(hole.kind, HoleKind::Identifier(_));
        let value = statement.holes.iter().find(bound);
        if let Some(hole) = value.filter(|_| !nature.takes_values) {
            self.report(
                &Mistake {
                    code: "sql-no-values",
                    message: format!("PostgreSQL takes no values in `{name}`"),
                    range: hole.range.clone(),
                    help: Some(
                        "values are bound in queries only: SELECT, INSERT, UPDATE, DELETE, MERGE, \
                         VALUES, CREATE TABLE … AS; an identifier can be put in as `:\"name\"`"
                            .to_owned(),
                    ),
                },
                surroundings,
            );
        }
        for (code, message, help) in found {
            // The words that name it, not the whole of a long statement.
            let start = statement.range.start;
            let text = self.script.statement_text(statement);
            let line = text.lines().next().unwrap_or_default().len();
            self.report(
                &Mistake {
                    code,
                    message,
                    range: start..start + nature.name.len().min(line),
                    help: Some(help.to_owned()),
                },
                surroundings,
            );
        }
    }

    fn fill(
        &self,
        statement: &ScriptStatement,
        params: &[(String, TemplateValue)],
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Vec<Filling>> {
        let fillings: Vec<Option<Filling>> = statement
            .holes
            .iter()
            .map(|hole| match &hole.kind {
                HoleKind::Expression(_) => {
                    let text = self.script.text[hole.range.clone()].to_owned();
                    let text = Spanned::new(text, self.place(hole.range.clone()));
                    surroundings.template(&text).map(Filling::Template)
                }
                HoleKind::Value(name) | HoleKind::Identifier(name) => {
                    if let Some((_, value)) = params.iter().find(|(known, _)| known == name) {
                        return Some(Filling::Param(value.clone()));
                    }
                    if surroundings.params.contains(name) {
                        let path = format!("params[{name:?}]");
                        return Template::expression(&path).ok().map(Filling::Template);
                    }
                    let own = params.iter().map(|(name, _)| name.as_str());
                    let known: Vec<&str> = own
                        .chain(surroundings.params.iter().map(String::as_str))
                        .collect();
                    let mut help = "add it under `params`".to_owned();
                    if let Some(near) = nearest(name, known.iter().copied()) {
                        help = format!("did you mean `:{near}`?");
                    } else if !known.is_empty() {
                        let known: Vec<String> =
                            known.iter().map(|name| format!("`:{name}`")).collect();
                        help =
                            format!("known here: {}; or add it under `params`", known.join(", "));
                    }
                    self.report(
                        &Mistake {
                            code: "unknown-param",
                            message: format!("parameter `:{name}` doesn't exist"),
                            range: hole.range.clone(),
                            help: Some(help),
                        },
                        surroundings,
                    );
                    None
                }
            })
            .collect();
        fillings.into_iter().collect()
    }

    /// Where a part of the script stands.
    #[must_use]
    pub fn place(&self, range: std::ops::Range<usize>) -> Span {
        match &self.home {
            Home::File(source) => Span::new(*source, range),
            Home::Inline { text, spelled } => place_of(text, spelled.as_deref(), &range),
        }
    }

    fn report(&self, mistake: &Mistake, surroundings: &mut Surroundings<'_>) {
        let span = self.place(mistake.range.clone());
        let mut diagnostic = Diagnostic::error(mistake.code, mistake.message.clone(), span);
        if let Some(help) = &mistake.help {
            diagnostic = diagnostic.help(help.clone());
        }
        surroundings.report.push(diagnostic);
    }
}
