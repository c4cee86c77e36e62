//! A path with expressions: some are the same for all records, some are over the record.

use std::ops::Range;

use crate::document::{Diagnostic, Spanned};
use crate::task::Surroundings;
use crate::task::transfer::columns::Formula;
use crate::template::{Segment, Template, segments};

/// The path of one file, or of many.
#[derive(Debug)]
pub(super) struct PathTemplate {
    /// As it was written.
    pub(super) text: String,
    pub(super) parts: Vec<PathPart>,
    /// The columns of the records that it reads.
    pub(super) reads: Vec<Spanned<String>>,
}

#[derive(Debug)]
pub(super) enum PathPart {
    Text(String),
    /// The same for all records: its value is taken as it is.
    Fixed(Template),
    /// Over the record: its value can't leave its folder.
    Value(PathValue),
}

#[derive(Debug)]
pub(super) struct PathValue {
    pub(super) formula: Formula,
    /// It only formats the time in its column: its value has nothing of the data but digits, and
    /// its slashes are the pipeline's.
    pub(super) dated: bool,
    /// And it only tells hours apart.
    pub(super) hourly: bool,
}

impl PathTemplate {
    /// Checks a path. `inside`: it must not lead out of its folder.
    pub(super) fn read(
        text: &Spanned<String>,
        inside: bool,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<Self> {
        if text.trim().is_empty() {
            surroundings.report.push(Diagnostic::error(
                "invalid-value",
                "the path is empty",
                text.span,
            ));
            return None;
        }
        let mut path = Self {
            text: text.value.clone(),
            parts: Vec::new(),
            reads: Vec::new(),
        };
        if text.contains("{%") || text.contains("{#") {
            path.parts
                .push(PathPart::Fixed(surroundings.template(text)?));
            return Some(path);
        }
        let mut right = true;
        for segment in segments(text) {
            match segment {
                Segment::Text(range) => path.parts.push(PathPart::Text(text[range].to_owned())),
                Segment::Expression(range) => match path.expression(text, range, surroundings) {
                    Some(part) => path.parts.push(part),
                    None => right = false,
                },
            }
        }
        if inside && (text.starts_with('/') || text.split('/').any(|part| part == "..")) {
            surroundings.report.push(
                Diagnostic::error(
                    "invalid-path",
                    format!("`{}` leads out of the bucket", text.value),
                    text.span,
                )
                .help("paths are relative to the bucket"),
            );
            right = false;
        }
        right.then_some(path)
    }

    fn expression(
        &mut self,
        text: &Spanned<String>,
        range: Range<usize>,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<PathPart> {
        let span = surroundings.place(text, range.clone());
        let expression = Spanned::new(text[range.clone()].to_owned(), span);
        let formula = Formula::read(&expression, surroundings, false)?;
        if formula.columns.is_empty() {
            return Some(PathPart::Fixed(formula.template));
        }
        // Records of files and queries have no members: such a name was meant to be in scope.
        let nested = |path: &String| {
            path.split_once('.')
                .is_some_and(|(root, _)| formula.columns.contains(root))
        };
        if formula.template.variables().iter().any(nested) {
            surroundings.template(&expression)?;
        }
        for column in &formula.columns {
            let place = match formula.template.find(column) {
                Some(at) => surroundings.place(text, range.start + at.start..range.start + at.end),
                None => span,
            };
            self.reads.push(Spanned::new(column.clone(), place));
        }
        let format = date_format(&expression);
        Some(PathPart::Value(PathValue {
            dated: format.is_some(),
            hourly: format.is_some_and(is_hourly),
            formula,
        }))
    }

    /// Whether records are parted into files.
    pub(super) fn is_spread(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, PathPart::Value(_)))
    }

    /// Whether the end of the path is known.
    pub(super) fn has_a_name(&self) -> bool {
        matches!(self.parts.last(), Some(PathPart::Text(_)))
    }
}

/// The format of an expression that is `{{ column | date('…') }}` and no more.
fn date_format(expression: &str) -> Option<&str> {
    let inner = expression.strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.trim_matches(['-', '+', ' ', '\t', '\n']);
    let (column, filter) = inner.split_once('|')?;
    let is_name = column
        .trim()
        .chars()
        .all(|c| c.is_alphanumeric() || c == '_');
    let argument = filter.trim().strip_prefix("date").filter(|_| is_name)?;
    let argument = argument.trim();
    if argument.is_empty() {
        return Some("%Y-%m-%d");
    }
    let format = argument.strip_prefix('(')?.strip_suffix(')')?.trim();
    let quoted = |quote| format.strip_prefix(quote)?.strip_suffix(quote);
    let format: &str = quoted('\'').or_else(|| quoted('"'))?;
    (!format.contains(['\\', '\'', '"'])).then_some(format)
}

/// Whether a format has nothing finer than hours in it.
fn is_hourly(format: &str) -> bool {
    const FIELDS: &str = "YCymbBhdejaAwuUWGgVHkIlpPDFx%";
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character == '%' {
            let field = characters.find(|c| !matches!(c, '-' | '_' | '0'));
            if !field.is_some_and(|field| FIELDS.contains(field)) {
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_hours_are_seen() {
        for (expression, expected) in [
            ("{{ at | date('%Y') }}", Some(true)),
            ("{{at|date(\"%Y-%m-%d %H\")}}", Some(true)),
            ("{{ at | date }}", Some(true)),
            ("{{ at | date('y=%Y/h=%-H') }}", Some(true)),
            ("{{ at | date('%M') }}", Some(false)),
            ("{{ at | date('%s') }}", Some(false)),
            ("{{ at | date('%Y') | upper }}", None),
            ("{{ at | date('%Y') ~ book ~ date('%Y') }}", None),
            ("{{ at | shift('1d') | date('%Y') }}", None),
            ("{{ at ~ book | date('%Y') }}", None),
            ("{{ at }}", None),
            ("{{ at | dateless('%Y') }}", None),
            ("{{ at | date(book) }}", None),
        ] {
            assert_eq!(
                date_format(expression).map(is_hourly),
                expected,
                "{expression}"
            );
        }
    }
}
