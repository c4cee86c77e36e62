//! Templates that are evaluated for many records.

use std::ops::Range;

use minijinja::{ErrorKind, Expression, Template as Source};
use serde_json::Value as Json;

use super::engine::{Kind, environment, failure, is_true};
use super::exact::Exact;
use super::scope::to_json;
use super::{Scope, Template, TemplateError};

/// A template made ready once, to be evaluated often.
pub struct Compiled<'a> {
    form: Form<'a>,
    text: &'a str,
}

enum Form<'a> {
    Literal,
    /// With decimals.
    Exact(Exact<'a>, Range<usize>),
    Expression(Expression<'a, 'a>, Range<usize>),
    Text(Source<'a, 'a>),
}

impl Template {
    /// Makes the template ready for many evaluations.
    ///
    /// # Errors
    /// None for a template that was parsed.
    pub fn compile(&self) -> Result<Compiled<'_>, TemplateError> {
        let text = self.source();
        let form = match self.kind() {
            Kind::Literal => Form::Literal,
            Kind::Expression(range) if let Some(exact) = Exact::read(&text[range.clone()]) => {
                Form::Exact(exact, range.clone())
            }
            Kind::Expression(range) => Form::Expression(expression(text, range)?, range.clone()),
            Kind::Text => Form::Text(
                environment()
                    .template_from_str(text)
                    .map_err(|error| failure(&error, 0))?,
            ),
        };
        Ok(Compiled { form, text })
    }
}

fn expression<'a>(
    text: &'a str,
    range: &Range<usize>,
) -> Result<Expression<'a, 'a>, TemplateError> {
    environment()
        .compile_expression(&text[range.clone()])
        .map_err(|error| failure(&error, range.start))
}

impl Compiled<'_> {
    /// As [`Template::evaluate`].
    ///
    /// # Errors
    /// An undefined variable, a failing filter, too many steps.
    pub fn evaluate(&self, scope: &Scope) -> Result<Json, TemplateError> {
        match &self.form {
            Form::Literal => Ok(Json::String(self.text.to_owned())),
            Form::Exact(exact, range) => match exact.evaluate(scope) {
                // The library says which part it is.
                Err(error) if error.kind() == ErrorKind::UndefinedError => {
                    self.by_library(&expression(self.text, range)?, range, scope)?;
                    Err(failure(&error, range.start))
                }
                found => found.map_err(|error| failure(&error, range.start)),
            },
            Form::Expression(expression, range) => self.by_library(expression, range, scope),
            Form::Text(template) => template
                .render(scope.to_value())
                .map(Json::String)
                .map_err(|error| failure(&error, 0)),
        }
    }

    fn by_library(
        &self,
        expression: &Expression<'_, '_>,
        range: &Range<usize>,
        scope: &Scope,
    ) -> Result<Json, TemplateError> {
        let value = expression
            .eval(scope.to_value())
            .map_err(|error| failure(&error, range.start))?;
        if value.is_undefined() {
            return Err(TemplateError {
                message: format!("`{}` is undefined", self.text[range.clone()].trim()),
                range: Some(range.clone()),
            });
        }
        Ok(to_json(&value))
    }

    /// As [`Template::is_true`].
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn is_true(&self, scope: &Scope) -> Result<bool, TemplateError> {
        self.evaluate(scope).map(|value| is_true(&value))
    }
}
