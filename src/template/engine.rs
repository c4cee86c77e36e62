//! Parsing and rendering.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::OnceLock;

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::Value as Json;

use super::names::refuse_unknown_names;
use super::scope::Scope;
use super::segment::closing_braces;
use super::time::{date, shift};
use crate::document::nesting::{levels, open_brackets};

/// Steps after which a template is stopped: far more than a real one needs, well under a second.
const FUEL: u64 = 5_000_000;

/// Brackets and operators within one another that an expression may have.
const MAX_LEVELS: usize = 200;

/// A text with expressions in it, checked for syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// No expression at all.
    Literal,
    /// The whole text is one `{{ expression }}`; the range is the expression's.
    Expression(Range<usize>),
    /// Text and expressions mixed.
    Text,
}

/// What is wrong with a template, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    pub message: String,
    /// Bytes of the template's text.
    pub range: Option<Range<usize>>,
}

impl Template {
    /// Checks the syntax of a template.
    ///
    /// # Errors
    /// The first syntax error, with its place.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        refuse_depth(text)?;
        let kind = if !has_markup(text) {
            Kind::Literal
        } else if let Some(range) = single_expression(text) {
            environment()
                .compile_expression(&text[range.clone()])
                .map_err(|error| failure(&error, range.start))?;
            Kind::Expression(range)
        } else {
            environment()
                .template_from_str(text)
                .map_err(|error| failure(&error, 0))?;
            Kind::Text
        };
        let template = Self {
            text: text.to_owned(),
            kind,
        };
        refuse_unknown_names(&template)?;
        Ok(template)
    }

    /// A template that is one expression, without the braces: the value of `if:`.
    ///
    /// # Errors
    /// The first syntax error, with its place.
    pub fn expression(text: &str) -> Result<Self, TemplateError> {
        if has_markup(text) {
            return Self::parse(text);
        }
        refuse_expression_depth(text)?;
        environment()
            .compile_expression(text)
            .map_err(|error| failure(&error, 0))?;
        let template = Self {
            kind: Kind::Expression(0..text.len()),
            text: text.to_owned(),
        };
        refuse_unknown_names(&template)?;
        Ok(template)
    }

    /// The text as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.text
    }

    /// Whether it has no expression: it renders to its own text.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.kind == Kind::Literal
    }

    /// The dotted paths of all variables it reads from its scope.
    #[must_use]
    pub fn variables(&self) -> BTreeSet<String> {
        let environment = environment();
        let found = match &self.kind {
            Kind::Literal => return BTreeSet::new(),
            Kind::Expression(range) => environment
                .compile_expression(&self.text[range.clone()])
                .map(|expression| expression.undeclared_variables(true)),
            Kind::Text => environment
                .template_from_str(&self.text)
                .map(|template| template.undeclared_variables(true)),
        };
        let globals: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
        found
            .unwrap_or_default()
            .into_iter()
            .filter(|path| !globals.contains(path.as_str()))
            .collect()
    }

    /// Where a variable of [`variables`](Self::variables) stands in the text.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Range<usize>> {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        self.text
            .match_indices(path)
            .find(|(at, found)| {
                let before = self.text[..*at].chars().next_back();
                let after = self.text[at + found.len()..].chars().next();
                !before.is_some_and(|c| word(c) || c == '.') && !after.is_some_and(word)
            })
            .map(|(at, found)| at..at + found.len())
    }

    /// Its text with every expression replaced by its value.
    ///
    /// # Errors
    /// An undefined variable, a failing filter, too many steps.
    pub fn render(&self, scope: &Scope) -> Result<String, TemplateError> {
        match &self.kind {
            Kind::Literal => Ok(self.text.clone()),
            _ => environment()
                .template_from_str(&self.wrapped())
                .and_then(|template| template.render(scope.to_value()))
                .map_err(|error| failure(&error, 0)),
        }
    }

    /// Its value: with its own type when the whole text is one expression, otherwise a text.
    ///
    /// # Errors
    /// An undefined variable, a failing filter, too many steps.
    pub fn evaluate(&self, scope: &Scope) -> Result<Json, TemplateError> {
        self.compile()?.evaluate(scope)
    }

    /// Whether its value counts as true, as `if:` means it.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn is_true(&self, scope: &Scope) -> Result<bool, TemplateError> {
        self.evaluate(scope).map(|value| is_true(&value))
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    fn wrapped(&self) -> String {
        match &self.kind {
            Kind::Expression(range) if range.len() == self.text.len() => {
                format!("{{{{ {} }}}}", self.text)
            }
            _ => self.text.clone(),
        }
    }
}

pub(super) fn is_true(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(value) => *value,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !matches!(text.trim(), "" | "false" | "False" | "0" | "no" | "none"),
        Json::Array(items) => !items.is_empty(),
        Json::Object(entries) => !entries.is_empty(),
    }
}

/// The library goes down a level for each bracket and operator, without end.
fn refuse_depth(text: &str) -> Result<(), TemplateError> {
    if !has_markup(text) {
        return Ok(());
    }
    // What stands between a `{` and a `}` is an expression, or looks like one.
    text.split('{').try_for_each(|part| {
        let end = part.rfind('}').unwrap_or(part.len());
        refuse_expression_depth(&part[..end])
    })?;
    if open_brackets(text) > MAX_LEVELS || text.matches("{%").count() > 10 * MAX_LEVELS {
        return Err(too_deep());
    }
    Ok(())
}

fn refuse_expression_depth(text: &str) -> Result<(), TemplateError> {
    if text.len() > MAX_LEVELS && levels(text) > MAX_LEVELS {
        return Err(too_deep());
    }
    Ok(())
}

fn too_deep() -> TemplateError {
    TemplateError {
        message: format!("it has more than {MAX_LEVELS} levels"),
        range: None,
    }
}

fn has_markup(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// The expression when the whole text, spaces aside, is one `{{ expression }}`.
fn single_expression(text: &str) -> Option<Range<usize>> {
    let start = text.len() - text.trim_start().len();
    let end = text.trim_end().len();
    if !text[start..end].starts_with("{{") || closing_braces(text, start + 2)? != end {
        return None;
    }
    let inner = start + 2..end - 2;
    let marked = text[inner.clone()].starts_with(['-', '+']) || text[inner.clone()].ends_with('-');
    (!marked).then_some(inner)
}

pub(super) fn failure(error: &Error, offset: usize) -> TemplateError {
    let detail = error.detail().map(str::to_owned);
    let message = match error.kind() {
        ErrorKind::UndefinedError => detail.unwrap_or_else(|| "undefined value".to_owned()),
        ErrorKind::OutOfFuel => "the template takes too many steps".to_owned(),
        kind => detail.unwrap_or_else(|| kind.to_string()),
    };
    let message = match message.strip_prefix("unexpected end of input, ") {
        Some(expected) => format!("it ends too early, {expected}"),
        None => message,
    };
    TemplateError {
        message,
        range: error
            .range()
            .map(|range| range.start + offset..range.end + offset),
    }
}

pub(super) fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        if let Ok(syntax) = minijinja::syntax::SyntaxConfig::builder()
            .keep_trailing_newline(true)
            .build()
        {
            environment.set_syntax(syntax);
        }
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_debug(true);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(100);
        environment.add_filter("date", date);
        environment.add_filter("shift", shift);
        environment
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope() -> Scope {
        Scope::default()
            .with("params", &json!({ "coins": ["a", "b"], "n": 3, "t": 2.5 }))
            .with(
                "run",
                &json!({ "data_interval": { "start": "2026-08-20T00:00:00Z" } }),
            )
    }

    #[test]
    fn values_keep_their_type_when_the_text_is_one_expression() {
        for (text, expected) in [
            ("{{ params.coins }}", json!(["a", "b"])),
            ("{{ params.n + 1 }}", json!(4)),
            ("  {{ params.t }} ", json!(2.5)),
            ("n={{ params.n }}", json!("n=3")),
            ("plain", json!("plain")),
            ("{{ params.n }}{{ params.n }}", json!("33")),
            ("{{ {'a': {'b': 1}} }}", json!({"a": {"b": 1}})),
            (
                "{{ run.data_interval.start | date('%Y/%m') }}",
                json!("2026/08"),
            ),
            (
                "{{ ['2026-08-20 01:02:03.5+00', '2026-08-20T01:02:03+0200', '2026-08-20 01:02:03', '2026-08-20'] | map('date', '%d %H') | list }}",
                json!(["20 01", "19 23", "20 01", "20 00"]),
            ),
            (
                "{{ run.data_interval.start | shift('-1d') }}",
                json!("2026-08-19T00:00:00Z"),
            ),
        ] {
            let template = Template::parse(text).unwrap();
            assert_eq!(template.evaluate(&scope()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn undefined_variables_fail() {
        for text in ["{{ params.nothing }}", "a {{ nothing }}", "{{ a.b.c }}"] {
            let template = Template::parse(text).unwrap();
            assert!(template.evaluate(&scope()).is_err(), "{text}");
        }
    }

    #[test]
    fn syntax_errors_have_a_place() {
        let error = Template::parse("{{ params. }}").unwrap_err();
        assert!(error.range.is_some(), "{error:?}");
    }

    #[test]
    fn variables_are_listed_with_their_paths() {
        let template =
            Template::parse("{{ params.coins | length }} {% for c in params.x.y %}{{ c }}{% endfor %}{{ range(3) }}")
                .unwrap();
        let variables: Vec<String> = template.variables().into_iter().collect();
        assert_eq!(variables, ["params.coins", "params.x.y"]);
        assert_eq!(template.find("params.x.y"), Some(40..50));
    }

    #[test]
    fn endless_templates_are_stopped() {
        let template = Template::parse(
            "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        )
        .unwrap();
        assert!(template.render(&scope()).is_err());
    }

    #[test]
    fn conditions_are_true_or_false() {
        for (text, expected) in [
            ("params.n > 2", true),
            ("{{ params.n > 5 }}", false),
            ("params.coins", true),
            ("'no'", false),
        ] {
            let template = Template::expression(text).unwrap();
            assert_eq!(template.is_true(&scope()).unwrap(), expected, "{text}");
        }
    }
}
